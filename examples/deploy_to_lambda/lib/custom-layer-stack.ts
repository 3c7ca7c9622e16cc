import * as path from "node:path";
import { Stack, StackProps } from "aws-cdk-lib";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import { AgentFunction } from "./agent-function";
import { runtimeOf, Target } from "./target";

export interface CustomLayerStackProps extends StackProps {
  readonly target: Target;
  /** The folder with `app.zip` and `dependencies.zip` of this target, as `layers package` writes them. */
  readonly packaging: string;
  readonly model: string;
}

/** An agent on a custom layer, built from `requirements.txt`. */
export class CustomLayerStack extends Stack {
  constructor(scope: Construct, id: string, props: CustomLayerStackProps) {
    super(scope, id, props);
    const runtime = runtimeOf(props.target);
    const { architecture } = props.target;
    const layer = new lambda.LayerVersion(this, "Dependencies", {
      code: lambda.Code.fromAsset(path.join(props.packaging, "dependencies.zip")),
      compatibleRuntimes: [runtime],
      compatibleArchitectures: [architecture],
      description: "What the agents need, from requirements.txt",
    });
    new AgentFunction(this, "Daylight", {
      module: "daylight_handler",
      code: lambda.Code.fromAsset(path.join(props.packaging, "app.zip")),
      layer,
      runtime,
      architecture,
      model: props.model,
    });
  }
}
