/**
 * `sluice check FILE`: validates a configuration and starts nothing.
 */
import { loadConfigFile, SluiceError } from '../index.js'
import type { Command } from './context.js'
import { ExitCode } from './exit-code.js'
import { plural } from './format.js'

interface CheckOptions {
  file: string
  json?: boolean
}

export const check: Command<CheckOptions> = async ({ file, json }, { terminal }) => {
  try {
    const { config, revision } = await loadConfigFile(file)
    const { ports, pools, virtualServers } = config
    const counts = {
      ports: ports.length,
      pools: pools.length,
      virtualServers: virtualServers.length,
    }
    if (json) terminal.printJson({ valid: true, revision, ...counts, issues: [] })
    else {
      const parts = [
        plural(counts.ports, 'port'),
        plural(counts.pools, 'pool'),
        plural(counts.virtualServers, 'virtual server'),
      ]
      terminal.print(`${file} is valid: ${parts.join(', ')}; revision ${revision}`)
    }
    return ExitCode.ok
  } catch (error) {
    // With --json an invalid file is an answer, and answers go to stdout.
    if (!json || !(error instanceof SluiceError) || error.code !== 'ERR_SLUICE_CONFIG') throw error
    terminal.printJson({ valid: false, issues: error.issues })
    return ExitCode.invalid
  }
}
