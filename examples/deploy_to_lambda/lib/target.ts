import * as lambda from "aws-cdk-lib/aws-lambda";

/** One Python on one architecture. Each layer is for one target. */
export interface Target {
  /** For example `3.12`. */
  readonly python: string;
  readonly architecture: lambda.Architecture;
}

export const RUNTIMES: Record<string, lambda.Runtime> = {
  "3.10": lambda.Runtime.PYTHON_3_10,
  "3.11": lambda.Runtime.PYTHON_3_11,
  "3.12": lambda.Runtime.PYTHON_3_12,
  "3.13": lambda.Runtime.PYTHON_3_13,
};

export function runtimeOf(target: Target): lambda.Runtime {
  const runtime = RUNTIMES[target.python];
  if (runtime === undefined) {
    throw new Error(`There is no layer for Python ${target.python}; choose one of ${Object.keys(RUNTIMES).join(", ")}.`);
  }
  return runtime;
}

/** Layer names contain aarch64, Lambda's API uses arm64. */
export function architectureInName(architecture: lambda.Architecture): string {
  return architecture === lambda.Architecture.ARM_64 ? "aarch64" : "x86_64";
}
