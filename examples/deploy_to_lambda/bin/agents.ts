import * as fs from "node:fs";
import { App } from "aws-cdk-lib";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { CustomLayerStack } from "../lib/custom-layer-stack";
import { OfficialLayerStack } from "../lib/official-layer-stack";
import { architectureInName } from "../lib/target";

const ARCHITECTURES = { Arm64: lambda.Architecture.ARM_64, X8664: lambda.Architecture.X86_64 };

const app = new App();
const setting = (name: string): string => String(app.node.getContext(name));
const model = setting("model");
const python = setting("python");
const layerVersion = Number(setting("layerVersion"));
if (!Number.isInteger(layerVersion) || layerVersion < 1) {
  throw new Error(`layerVersion is the number at the end of a layer's ARN, as 2; ${setting("layerVersion")} is none.`);
}
const mcpUrl: string | undefined = app.node.tryGetContext("mcpUrl");

for (const [name, architecture] of Object.entries(ARCHITECTURES)) {
  const target = { python, architecture };
  new OfficialLayerStack(app, `OfficialLayer${name}`, { target, layerVersion, model, mcpUrl });
  // The custom layer is deployed only after `layers package` has built it.
  const packaging = `packaging/${architectureInName(architecture)}`;
  if (fs.existsSync(packaging)) {
    new CustomLayerStack(app, `CustomLayer${name}`, { target, packaging, model });
  }
}
