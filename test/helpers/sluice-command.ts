/** The `sluice` command as a user calls it: a process of its own over the built package. */
import { join } from 'node:path'
import { type CommandResult, LabProcess, tryRun } from '../../src/laboratory/lab-process.js'
import { root } from './repository.js'

export const program = join(root, 'bin/sluice.js')

/** Runs a command to its end, whatever the end is. */
export function sluice(...args: string[]): Promise<CommandResult> {
  return tryRun([process.execPath, program, ...args])
}

/** Starts a command that goes on until it is told to stop. */
export function startSluice(...args: string[]): Promise<LabProcess> {
  return LabProcess.start([process.execPath, program, ...args])
}
