import { ArnFormat, Stack, StackProps } from "aws-cdk-lib";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { Construct } from "constructs";
import { AgentFunction } from "./agent-function";
import { architectureInName, runtimeOf, Target } from "./target";

/** The account that publishes the official layers. */
const PUBLISHER = "856699698935";

export interface OfficialLayerStackProps extends StackProps {
  readonly target: Target;
  /** The number at the end of the layer's ARN; it is the same in every region. */
  readonly layerVersion: number;
  readonly model: string;
  /** The URL of an MCP server. If it is given, the two MCP agents are deployed too. */
  readonly mcpUrl?: string;
}

/** Agents on the official layer. The code is the folder `lambda/`, without packaging. */
export class OfficialLayerStack extends Stack {
  constructor(scope: Construct, id: string, props: OfficialLayerStackProps) {
    super(scope, id, props);
    const { python, architecture } = props.target;
    const name = `strands-agents-py${python.replace(".", "_")}-${architectureInName(architecture)}`;
    const arn = this.formatArn({
      service: "lambda",
      account: PUBLISHER,
      resource: "layer",
      resourceName: `${name}:${props.layerVersion}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    const common = {
      code: lambda.Code.fromAsset("lambda", { exclude: ["__pycache__", "daylight_handler.py"] }),
      layer: lambda.LayerVersion.fromLayerVersionArn(this, "Layer", arn),
      runtime: runtimeOf(props.target),
      architecture,
      model: props.model,
    };
    new AgentFunction(this, "Weather", { ...common, module: "weather_handler" });
    if (props.mcpUrl !== undefined) {
      const environment = { MCP_URL: props.mcpUrl };
      new AgentFunction(this, "Mcp", { ...common, module: "mcp_handler", environment });
      new AgentFunction(this, "McpWarm", { ...common, module: "mcp_warm_handler", environment });
    }
  }
}
