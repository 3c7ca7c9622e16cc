import { Aws, CfnOutput, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

export interface AgentFunctionProps {
  /** The module in `lambda/` whose `handler` is called. */
  readonly module: string;
  readonly code: lambda.Code;
  readonly layer: lambda.ILayerVersion;
  readonly runtime: lambda.Runtime;
  readonly architecture: lambda.Architecture;
  /** The ID of a model or of an inference profile. */
  readonly model: string;
  readonly environment?: Record<string, string>;
}

/** A Lambda function with an agent. It may call one model; its URL requires IAM authentication. */
export class AgentFunction extends Construct {
  readonly function: lambda.Function;

  constructor(scope: Construct, id: string, props: AgentFunctionProps) {
    super(scope, id);
    this.function = new lambda.Function(this, "Function", {
      functionName: `${Stack.of(this).stackName}-${id}`,
      runtime: props.runtime,
      architecture: props.architecture,
      handler: `${props.module}.handler`,
      code: props.code,
      layers: [props.layer],
      // CPU grows with memory: at 128 MB the import of the SDK alone takes more than ten seconds.
      memorySize: 1024,
      // An answer needs several turns of the model.
      timeout: Duration.minutes(2),
      environment: { ...props.environment, MODEL_ID: props.model },
      logGroup: new logs.LogGroup(this, "Logs", {
        retention: logs.RetentionDays.ONE_MONTH,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
    });
    this.function.addToRolePolicy(
      new iam.PolicyStatement({
        actions: ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
        resources: modelArns(props.model),
      }),
    );
    const url = this.function.addFunctionUrl({ authType: lambda.FunctionUrlAuthType.AWS_IAM });
    new CfnOutput(this, "Name", { value: this.function.functionName });
    new CfnOutput(this, "Url", { value: url.url });
  }
}

/** The ARNs that a call needs: an inference profile of this account and region, and its model in any region. */
export function modelArns(model: string): string[] {
  const profile = /^(?:global|us-gov|us|eu|apac|jp|au|ca)\.(.+)$/.exec(model);
  const prefix = `arn:${Aws.PARTITION}:bedrock`;
  if (profile === null) {
    return [`${prefix}:${Aws.REGION}::foundation-model/${model}`];
  }
  return [
    `${prefix}:${Aws.REGION}:${Aws.ACCOUNT_ID}:inference-profile/${model}`,
    `${prefix}:*::foundation-model/${profile[1]}`,
  ];
}
