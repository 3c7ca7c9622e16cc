// Reads {policy, requests} from stdin; prints what becomes of each request: Allowed, ImplicitlyDenied, or an error.
import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const { account, principal, policy, requests } = JSON.parse(readFileSync(0, 'utf-8'))
const everything = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] }
const results = []
for (const { action, resource, context } of requests) {
  const simulation = {
    request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
    identityPolicies: [{ name: 'role', policy }],
    serviceControlPolicies: [{ orgIdentifier: 'root', policies: [{ name: 'all', policy: everything }] }],
    resourceControlPolicies: []
  }
  const result = await runSimulation(simulation, {})
  results.push(result.resultType === 'error' ? JSON.stringify(result.errors) : result.overallResult)
}
console.log(JSON.stringify(results))
