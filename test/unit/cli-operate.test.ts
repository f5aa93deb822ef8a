/** Commands for operators: pools, top, completion. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { main } from '../../src/cli/main.js'
import { printPools } from '../../src/cli/pools.js'
import { ratesBetween } from '../../src/cli/rates.js'
import { Terminal } from '../../src/cli/terminal.js'
import { ratesTable } from '../../src/cli/top.js'
import { missingTools } from '../../src/laboratory/index.js'
import { exampleStatus } from '../helpers/example-status.js'

async function sluice(...args: string[]) {
  const written = { stdout: '', stderr: '' }
  const sink = (name: keyof typeof written) => ({
    write: (text: string) => {
      written[name] += text
    },
  })
  const code = await main(args, { stdout: sink('stdout'), stderr: sink('stderr'), env: {} })
  return { code, ...written }
}

function printed(print: (terminal: Terminal) => void): string {
  let text = ''
  const sink = {
    write: (more: string) => {
      text += more
    },
  }
  print(new Terminal(sink, sink, false))
  return text
}

test('pools: each node with its state, for how long, and why', () => {
  const now = Date.parse('2026-11-21T09:01:00.000Z')
  expect(
    printed((terminal) => printPools(terminal, exampleStatus.pools, now)),
  ).toMatchInlineSnapshot(`
    "web  round-robin, 1 of 2 take flows, 2 flows refused
      node               state       for  because     weight  flows  limit   ever  bytes in      out  response
      10.1.0.11:80       up        1 min  configured       1      3         1 200  1.46 KiB  293 KiB
      [2001:db8::12]:80  draining  1 min  configured       1      3         1 200  1.46 KiB  293 KiB
    "
  `)
  expect(printed((terminal) => printPools(terminal, [], now))).toBe('No pools.\n')
})

describe('top', () => {
  const [site] = exampleStatus.virtualServers
  const later = {
    ...exampleStatus,
    uptimeMs: exampleStatus.uptimeMs + 2000,
    packets: { ...exampleStatus.packets, received: 300, dropped: 5 },
    virtualServers: [
      {
        ...site,
        totalConnections: 1300,
        packets: { in: 30, out: 40 },
        bytes: { in: 2500, out: 302_000 },
      },
      { ...site, name: 'new', listen: 'tcp://192.0.2.100:81', state: 'draining' as const },
    ],
  }
  const looks = [
    { at: 0, status: exampleStatus },
    { at: 2000, status: later },
  ] as const

  test('rates are by the second, of what was new in between', () => {
    const rates = ratesBetween(...looks)
    expect(rates).toMatchObject({ seconds: 2, received: 100, dropped: 1, flows: 3 })
    expect(rates.virtualServers).toMatchObject([
      { name: 'site', newConnections: 50, packetsIn: 10, bitsIn: 4000, bitsOut: 8000 },
      { name: 'new', newConnections: 600 },
    ])
  })

  test('an engine that was started anew has no negative rates', () => {
    const anew = { at: 2000, status: { ...exampleStatus, uptimeMs: 1000 } }
    expect(ratesBetween(looks[0], anew).virtualServers).toMatchObject([{ newConnections: 600 }])
  })

  test('the busiest comes first', () => {
    const table = printed((terminal) =>
      terminal.print(ratesTable(terminal, ratesBetween(...looks))),
    )
    expect(table).toMatchInlineSnapshot(`
      "3 flows; packets/s: received 100, forwarded 0, dropped 1

      virtual server  listens on            state     flows  new/s  packets/s in  out        in          out
      new             tcp://192.0.2.100:81  draining      3    600             5   10  6 kbit/s  1.20 Mbit/s
      site            tcp://192.0.2.100:80  up            3     50            10   10  4 kbit/s     8 kbit/s
      "
    `)
  })
})

describe('completion', () => {
  /** What bash offers for a command line of which the last word is begun. */
  async function offered(...line: string[]): Promise<string[]> {
    const { stdout } = await sluice('completion', 'bash')
    const [word, before] = [line.at(-1), line.at(-2)]
    const call = `COMP_LINE="$*" COMP_CWORD=$(($# - 1)); _sluice sluice "${word}" "${before}"`
    const script = `${stdout}\n${call}; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout: answer, stderr } = spawnSync('bash', ['-c', script, 'bash', ...line], {
      encoding: 'utf8',
    })
    expect(stderr).toBe('')
    return answer.split('\n').filter(Boolean)
  }

  test('bash offers commands, their options, shells, and files', async () => {
    expect(await offered('sluice', 'st')).toEqual(['status'])
    expect(await offered('sluice', 'run', '--w')).toEqual(['--watch'])
    expect(await offered('sluice', 'completion', 'f')).toEqual(['fish'])
    expect(await offered('sluice', 'check', 'package.j')).toEqual(['package.json'])
    expect(await offered('sluice', 'status', '--socket', 'package.j')).toEqual(['package.json'])
  })

  test.each(['bash', 'zsh', 'fish'])(
    '%s has every command, and its script is valid',
    async (shell) => {
      const { code, stdout } = await sluice('completion', shell)
      expect(code).toBe(0)
      const help = (await sluice('--help')).stdout
      const commands = [...help.matchAll(/^ {2}([a-z]+) .*$/gm)].map(([, name]) => name)
      expect(commands.length).toBeGreaterThan(8)
      for (const name of commands) expect(stdout).toMatch(new RegExp(`\\b${name}\\b`))
      if (missingTools(shell).length > 0) return
      expect(spawnSync(shell, ['-n'], { input: stdout, encoding: 'utf8' }).stderr).toBe('')
    },
  )

  test('another shell is a usage error', async () => {
    expect((await sluice('completion', 'tcsh')).code).toBe(2)
  })
})

describe('wrong calls', () => {
  test.each([
    [['drain']],
    [['drain', 'site', '--process']],
    [['top', '--interval', '0']],
    [['drain', '--process', '--timeout', 'soon']],
    [['status', '--connect', 'http://10.1.0.254:9443']],
    [['status', '--connect', 'https://10.1.0.254:9443/metrics']],
    [['status', '--connect', 'https://10.1.0.254:9443', '--cert', 'a.pem', '--key', 'a.key']],
    [['status', '--connect', 'https://10.1.0.254:9443', '--socket', 'a.sock']],
    [['flows', '--ca', 'ca.pem']],
  ])('%j is a usage error', async (args) => {
    expect((await sluice(...args)).code).toBe(2)
  })
})
