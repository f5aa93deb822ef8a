/** `sluice capture`: packets of a running engine, as tcpdump reads them. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EngineStatus } from '../../src/index.js'
import { type LabProcess, until } from '../../src/laboratory/index.js'
import { LabProcess as Process, tryRun } from '../../src/laboratory/lab-process.js'
import { decodeFrame } from '../helpers/frame.js'
import { parseCapture, readCapture } from '../helpers/pcap.js'
import { Site } from '../helpers/site.js'
import { requireCaptures, requireTools } from '../helpers/skip.js'
import { program, sluice, startSluice } from '../helpers/sluice-command.js'

requireCaptures()
requireTools('ip', 'nsenter', 'nginx', 'curl', 'ethtool')

const megabyte = 1 << 20
let site: Site
const big = `/bytes/${64 * megabyte}`

beforeAll(async () => {
  site = await Site.start({ topology: 'two-arm', servers: 1, more: 'workers: 2,' })
  await site.servers[0]?.addFile(64 * megabyte)
})
afterAll(() => site?.[Symbol.asyncDispose]())

const fileNamed = (name: string) => join(site.lab.folder, name)
const at = () => ['--socket', site.engine.socket]

/** A capture that has begun. */
async function begin(...args: string[]): Promise<LabProcess> {
  const started = await startSluice('capture', ...at(), '--json', ...args)
  await started.waitForOutput(/capturing/)
  return started
}

interface Counted {
  packets: number
  lost: number
}

async function end(capture: LabProcess): Promise<Counted> {
  const { code } = await capture.stop('SIGINT')
  expect(code).toBe(0)
  return JSON.parse(/^\{.*\}$/m.exec(capture.output())?.[0] ?? '') as Counted
}

/** How many packets tcpdump finds in a file. */
function countedByTcpdump(file: string, ...filter: string[]): number {
  const { status, stdout, stderr } = spawnSync('tcpdump', ['-nr', file, ...filter], {
    encoding: 'utf8',
  })
  expect({ status, stderr }).toMatchObject({ status: 0 })
  return stdout.split('\n').filter((line) => /^\d\d:/.test(line)).length
}

/** Frames that each port has received and sent. */
const framesOf = ({ ports }: EngineStatus) =>
  ports.map(({ counters }) => counters.rxFrames + counters.txFrames)

test('every packet that the ports count is in the file, and tcpdump reads as many', async () => {
  const file = fileNamed('all.pcapng')
  const before = framesOf(await site.status())
  const capture = await begin('-w', file)
  const from = framesOf(await site.status())
  for (let i = 0; i < 5; i++) expect((await site.fetch(i % 2 ? 4 : 6)).status).toBe(200)
  const to = framesOf(await site.status())
  const { packets, lost } = await end(capture)
  const after = framesOf(await site.status())
  expect(lost).toBe(0)
  const frames = readCapture(file)
  expect(frames).toHaveLength(packets)
  expect(countedByTcpdump(file)).toBe(packets)
  // Neighbours may have had something to say just before and after.
  from.forEach((count, port) => {
    const seen = frames.filter((frame) => frame.interface === port).length
    expect(seen).toBeGreaterThanOrEqual((to[port] ?? 0) - count)
    expect(seen).toBeLessThanOrEqual((after[port] ?? 0) - (before[port] ?? 0))
  })
})

test('of one client and port, cut off after so many bytes, until so many', async () => {
  const file = fileNamed('some.pcapng')
  const client = site.lab.client.address(4)
  const some = ['--client', client, '--port', 'inside', '--snap-length', '60', '--count', '12']
  const capture = await begin('-w', file, ...some)
  for (let i = 0; i < 3; i++) await Promise.all([site.fetch(4), site.fetch(6)])
  expect((await capture.exited).code).toBe(0)
  const frames = readCapture(file)
  expect(frames).toHaveLength(12)
  expect(countedByTcpdump(file, 'host', client)).toBe(12)
  const inside = 1
  expect(new Set(frames.map((frame) => frame.interface))).toEqual(new Set([inside]))
  expect(Math.max(...frames.map(({ bytes }) => bytes.length))).toBe(60)
  const [server] = site.lab.serverAddresses(4)
  for (const { ip } of frames.map(({ bytes }) => decodeFrame(bytes))) {
    expect(new Set([ip?.source, ip?.destination])).toEqual(new Set([client, server]))
  }
})

test('of one virtual server, into a pipe whose reader has enough at some time', async () => {
  const line = `"$@" | tcpdump -nr - -c 4; exit "\${PIPESTATUS[0]}"`
  const command = [process.execPath, program, 'capture', ...at(), '-w', '-']
  const shell = ['bash', '-c', line, 'bash', ...command, '--virtual-server', 'plain6'] as const
  const capture = await Process.start([...shell])
  await capture.waitForOutput(/capturing/)
  const fetched = until('tcpdump has its packets', async () => {
    await Promise.all([site.fetch(4), site.fetch(6)])
    return /4 packets captured|exited/.test(capture.output()) || !capture.running
  })
  const { code } = await capture.exited
  await fetched
  expect(code).toBe(0)
  const packets = capture.output().match(/ IP6? \S+ > \S+/g) ?? []
  expect(packets).toHaveLength(4)
  for (const packet of packets) expect(packet).toContain(site.lab.virtualAddress(6))
})

test('a reader that stands still costs frames of the file, which are counted, and no packet', async () => {
  const file = fileNamed('slow.pcapng')
  const capture = await begin('-w', file, '--port', 'outside')
  const [before = 0] = framesOf(await site.status())
  capture.signal('SIGSTOP')
  const fetched = await site.fetch(4, big, 80, { output: '/dev/null' })
  expect(fetched).toMatchObject({ status: 200, bytes: 64 * megabyte })
  const [after = 0] = framesOf(await site.status())
  capture.signal('SIGCONT')
  const { packets, lost } = await end(capture)
  expect(lost).toBeGreaterThan(0)
  expect(packets + lost).toBeGreaterThanOrEqual(after - before)
  expect(countedByTcpdump(file)).toBe(packets)
})

test('one at a time; who goes makes room; the engine goes on', async () => {
  const capture = await begin('-w', fileNamed('first.pcapng'))
  const second = await sluice('capture', ...at(), '-w', fileNamed('second.pcapng'))
  expect(second.code).toBe(1)
  expect(second.stderr).toContain('ERR_SLUICE_BUSY')
  await capture.stop('SIGKILL')
  const url = 'http://sluice/api/v1/capture?count=2'
  const target = ['--unix-socket', site.engine.socket, '-o', fileNamed('third.pcapng')]
  await until('there is room', async () => {
    let status = ''
    const asking = tryRun(['curl', '-sS', '-w', '%{http_code}', ...target, url])
    void asking.then(({ stdout }) => {
      status = stdout
    })
    while (status === '') await site.fetch(4)
    return status === '200'
  })
  expect(parseCapture(readFileSync(fileNamed('third.pcapng')))).toHaveLength(2)
})

test.each([
  ['/dev/full', [], 'ERR_SLUICE_FILE', 'the disk is full'],
  ['/absent/file', [], 'ERR_SLUICE_FILE', 'ENOENT'],
  ['-', ['--port', 'upside'], 'ERR_SLUICE_CAPTURE', 'outside, inside'],
  ['-', ['--client', 'nobody'], 'ERR_SLUICE_CAPTURE', 'no IP address'],
  ['-', ['--virtual-server', 'nobody'], 'ERR_SLUICE_VIRTUAL_SERVER', 'plain4, plain6'],
])('-w %s %j: exit 1, %s', async (path, args, code, sentence) => {
  const failed = await sluice('capture', ...at(), '-w', path, ...args)
  expect(failed.code).toBe(1)
  expect(failed.stderr).toContain(code)
  expect(failed.stderr).toContain(sentence)
  expect((await site.fetch(4)).status).toBe(200)
})
