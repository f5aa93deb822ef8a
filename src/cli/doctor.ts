/**
 * `sluice doctor [FILE]`: what the machine lacks, and what would help.
 */
import { loadConfigFile } from '../index.js'
import type { Command } from './context.js'
import { checkPort, checkXdpMode } from './doctor/device-checks.js'
import { type Finding, healthy } from './doctor/finding.js'
import { readMachine, readXdpSupport } from './doctor/machine.js'
import { checkMachine } from './doctor/machine-checks.js'
import { readNetwork } from './doctor/network.js'
import { ExitCode } from './exit-code.js'
import { plural } from './format.js'
import type { Terminal } from './terminal.js'

interface DoctorOptions {
  file?: string
  json?: boolean
}

export const doctor: Command<DoctorOptions> = async ({ file, json }, { terminal }) => {
  const findings = file ? await examineFor(file) : checkMachine(await readMachine())
  const lacking = findings.filter(({ ok, needed }) => needed && !ok)
  if (json) terminal.printJson({ ok: lacking.length === 0, findings })
  else print(terminal, findings, lacking.length)
  return lacking.length === 0 ? ExitCode.ok : ExitCode.denied
}

/** The machine as far as the configuration needs it, and the devices that it names. */
async function examineFor(file: string): Promise<Finding[]> {
  const { ports, virtualServers } = (await loadConfigFile(file)).config
  const virtual = virtualServers.map(({ listen }) => listen.address)
  return [
    ...checkMachine(
      await readMachine(),
      ports.map(({ kind }) => kind),
    ),
    healthy('configuration', `${file} is valid`),
    ...ports.flatMap((port) => checkPort(port, readNetwork(port.netns), virtual)),
    ...ports
      .filter(({ kind }) => kind === 'xdp')
      .map((port) => checkXdpMode(port, readXdpSupport(port.netns, port.device))),
  ]
}

function print(terminal: Terminal, findings: readonly Finding[], lacking: number): void {
  const width = Math.max(...findings.map(({ check }) => check.length))
  for (const { check, ok, needed, detail, remedy } of findings) {
    const mark = ok
      ? terminal.style('green', '✓')
      : needed
        ? terminal.style('red', '✗')
        : terminal.style('yellow', '!')
    terminal.print(`${mark} ${check.padEnd(width)}  ${detail}`)
    if (remedy) terminal.print(`  ${' '.repeat(width)}  ${terminal.style('dim', remedy)}`)
  }
  const verdict =
    lacking === 0 ? 'Nothing needed is missing.' : `${plural(lacking, 'thing')} missing.`
  terminal.print(`\n${verdict}`)
}
