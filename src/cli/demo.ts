/**
 * `sluice demo`: what a newcomer sees first. Real clients and servers of the kernel, each in a
 * network namespace of its own, and between them an engine that runs examples/policy.ts.
 */
import { fileURLToPath } from 'node:url'
import { ensurePrivileges } from '../index.js'
import type { Command, Context } from './context.js'
import { Farm } from './demo/farm.js'
import { type DemoResult, shortcomings } from './demo/result.js'
import { show } from './demo/show.js'
import { ExitCode } from './exit-code.js'
import { StopRequest } from './stop-request.js'
import { quiet } from './terminal.js'

interface DemoOptions {
  tap?: boolean
  keep?: boolean
  json?: boolean
}

const policyFile = fileURLToPath(new URL('../../examples/policy.ts', import.meta.url))

export const demo: Command<DemoOptions> = async ({ tap = false, keep, json }, context) => {
  await ensurePrivileges()
  const stop = keep ? new StopRequest() : undefined
  const farm = await Farm.open({ file: policyFile, tap })
  try {
    const result = await show(farm, json ? quiet() : context.terminal)
    if (json)
      context.terminal.printJson(stop ? { ...result, socket: farm.admin.socketPath } : result)
    else conclude(result, farm, context, stop !== undefined)
    await stop?.requested
    return result.ok ? ExitCode.ok : ExitCode.failure
  } finally {
    await farm.close()
    stop?.forget()
  }
}

function conclude(result: DemoResult, farm: Farm, context: Context, stays: boolean): void {
  const { terminal } = context
  terminal.print()
  for (const trouble of shortcomings(result)) terminal.print(` ${terminal.style('red', trouble)}`)
  if (result.ok) terminal.print(` ${terminal.style('green', 'All is as it should be.')}`)
  if (stays) invite(farm, context)
  else if (result.ok) {
    terminal.print(` Now change ${result.policy.file} and run this again, or read README.md;`)
    terminal.print(' `npm start -- --keep` stays up for exploring.')
  }
}

/** Commands that work from another terminal while the farm is up. */
function invite({ laboratory, admin }: Farm, { terminal, env }: Context): void {
  const client = `nsenter --net=${laboratory.client.namespace.path}`
  // In a user namespace of our own, paths of network namespaces mean something in there only.
  const enter = env.SLUICE_USER_NAMESPACE
    ? `nsenter --target ${process.pid} --user --mount --preserve-credentials `
    : ''
  const commands = [
    `npx sluice status --socket ${admin.socketPath}`,
    `npx sluice flows --socket ${admin.socketPath}`,
    `${enter}${client} curl -s http://${laboratory.virtualAddress(4)}:8080/`,
    `${enter}${client} curl -s 'http://[${laboratory.virtualAddress(6)}]:8080/'`,
  ]
  terminal.print(' It stays up. In another terminal, for instance:')
  for (const command of commands) terminal.print(`   ${command}`)
  terminal.print(' Ctrl-C ends it.')
}
