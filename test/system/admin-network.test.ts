/** ARCH-13: the administration on the inside, the outside or both, for those with a certificate. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askEngine } from '../../src/cli/admin-client.js'
import type { EngineStatus, NetworkStatus } from '../../src/index.js'
import { missingTools, type Namespace, until } from '../../src/laboratory/index.js'
import { Authority, type CertificateFiles } from '../helpers/certificates.js'
import { curl } from '../helpers/http-clients.js'
import { startServers } from '../helpers/servers.js'
import { Site } from '../helpers/site.js'
import { requireHost, requireTools } from '../helpers/skip.js'
import { program } from '../helpers/sluice-command.js'

requireHost('netns', 'afPacket')
requireTools('ip', 'nsenter', 'nginx', 'curl', 'openssl')

/** The host's own addresses, on the devices that the engine uses, too. */
const outside = { address: '192.0.2.2', url: 'https://192.0.2.2:9443' }
const inside = { address: '10.1.0.254', url: 'https://10.1.0.254:9443' }

let site: Site
let authority: Authority
let engine: CertificateFiles
let scraper: CertificateFiles
let stranger: CertificateFiles

beforeAll(async () => {
  site = await Site.start({
    topology: 'two-arm',
    families: [4],
    runsIn: 'ctl',
    startServers: async (lab) => {
      await lab
        .namespace('ctl')
        .ip([
          `address add ${outside.address}/24 dev ext0`,
          `address add ${inside.address}/24 dev int0`,
        ])
      return startServers(lab)
    },
    more: 'admin: undefined,\n',
  })
  const { folder } = site.lab
  authority = await Authority.create(folder, 'home')
  engine = await authority.sign('engine', outside.address, inside.address)
  scraper = await authority.sign('scraper')
  const others = await Authority.create(folder, 'elsewhere')
  stranger = { ...(await others.sign('stranger')), ca: authority.file }
})
afterAll(() => site?.[Symbol.asyncDispose]())

/** Has the running engine take other settings of `admin`. */
async function configure(listen: readonly string[], more: object = engine): Promise<void> {
  const settings = JSON.stringify({ ...more, listen })
  const source = readFileSync(site.engine.configFile, 'utf8')
  site.engine.rewrite(source.replace(/admin: .*/, `admin: ${settings},`))
  await site.engine.ask('reload')
}

const network = () => askEngine<NetworkStatus>(site.engine.socket, '/api/v1/network')

const listening = () =>
  until('it listens', async () => (await network()).listeners.every((one) => one.listening))

/** curl from a host of the laboratory, with somebody's certificate or none. */
function ask(from: Namespace, target: string, files?: CertificateFiles) {
  const own = files ? ['--cert', files.cert, '--key', files.key] : []
  const args = ['--cacert', authority.file, '--connect-timeout', '2', ...own]
  return curl(from, target, { args })
}

const server = () => site.lab.namespace('srv1')

describe('ARCH-13 the administration', () => {
  test.each([
    ['on the inside alone', [inside], { fromInside: 200, fromOutside: 0 }],
    ['on the outside alone', [outside], { fromInside: 0, fromOutside: 200 }],
    ['on both sides', [inside, outside], { fromInside: 200, fromOutside: 200 }],
  ])('%s', async (_, sides, expected) => {
    await configure(sides.map(({ address }) => `${address}:9443`))
    await listening()
    const fromInside = await ask(server(), `${inside.url}/healthz`, scraper)
    const fromOutside = await ask(site.client, `${outside.url}/healthz`, scraper)
    expect({ fromInside: fromInside.status, fromOutside: fromOutside.status }).toEqual(expected)
    expect((await site.fetch(4)).status).toBe(200)
  })

  test('nobody is answered who has not proved who he is', async () => {
    const refusals = async () =>
      (await network()).listeners.reduce((sum, { refused }) => sum + refused, 0)
    const before = await refusals()
    for (const files of [undefined, stranger]) {
      const { status, body, exitCode } = await ask(site.client, `${outside.url}/metrics`, files)
      expect({ status, body }).toEqual({ status: 0, body: '' })
      // CURLE_SSL_CERTPROBLEM or one of its kin: TLS came to no end.
      expect([35, 52, 55, 56, 58]).toContain(exitCode)
    }
    const plain = await ask(site.client, `${outside.url.replace('https', 'http')}/metrics`)
    expect(plain).toMatchObject({ status: 0, body: '' })
    await until('they are counted', async () => (await refusals()) === before + 3)
  })

  test('/metrics, as Prometheus asks for it', async () => {
    const { body, status } = await ask(server(), `${inside.url}/metrics`, scraper)
    expect(status).toBe(200)
    expect(body).toContain(`sluice_admin_listening{address="${inside.address}:9443"} 1\n`)
    if (missingTools('promtool').length > 0) return
    const check = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' })
    expect({ code: check.status, said: check.stdout + check.stderr }).toEqual({ code: 0, said: '' })
  })

  test('it is for reading, unless `write` says otherwise', async () => {
    const order = ['-d', '{"virtualServer":"plain4","state":"active"}']
    const drain = async () => {
      const args = ['--cacert', authority.file, '--cert', scraper.cert, '--key', scraper.key]
      const target = `${outside.url}/api/v1/drain`
      return (await curl(site.client, target, { args: [...args, ...order] })).status
    }
    expect(await drain()).toBe(403)
    await configure([`${outside.address}:9443`], { ...engine, write: true })
    await listening()
    expect(await drain()).toBe(200)
  })

  test('sluice status --connect', async () => {
    const files = ['--cert', scraper.cert, '--key', scraper.key, '--ca', scraper.ca]
    const status = (...args: string[]) =>
      site.client.tryExec(process.execPath, [program, 'status', '--json', ...args])
    const { code, stdout } = await status('--connect', outside.url, ...files)
    expect(code).toBe(0)
    expect((JSON.parse(stdout) as EngineStatus).state).toBe('ready')
    const foreign = ['--cert', stranger.cert, '--key', stranger.key, '--ca', stranger.ca]
    const refused = await status('--connect', outside.url, ...foreign)
    expect(refused.code).toBe(5)
    expect(refused.stderr).toContain('ERR_SLUICE_ADMIN_PEER')
  })
})

describe('ARCH-13 a path that is gone', () => {
  test('leaves the other one and the flows alone, and comes back', async () => {
    await configure([`${inside.address}:9443`, `${outside.address}:9443`])
    await listening()
    const ctl = site.lab.namespace('ctl')
    await ctl.ip(['link set int0 down', `address del ${inside.address}/24 dev int0`])
    expect((await ask(server(), `${inside.url}/healthz`, scraper)).status).toBe(0)
    expect((await ask(site.client, `${outside.url}/healthz`, scraper)).status).toBe(200)
    await ctl.ip([`address add ${inside.address}/24 dev int0`, 'link set int0 up'])
    const back = async () => (await ask(server(), `${inside.url}/healthz`, scraper)).status === 200
    await until('the inside is back', back)
    await until('flows go on', async () => (await site.fetch(4)).status === 200)
    await ctl.ip(['link set ext0 down'])
    expect((await ask(server(), `${inside.url}/healthz`, scraper)).status).toBe(200)
    await ctl.ip(['link set ext0 up'])
    await until('the outside is back', async () => {
      return (await ask(site.client, `${outside.url}/healthz`, scraper)).status === 200
    })
  })

  test('an address that the host does not have yet is listened on when it has', async () => {
    const late = '10.1.0.253'
    await configure([`${late}:9443`, `${outside.address}:9443`])
    const problem = async () => (await network()).listeners[0]?.problem
    await until('it is told', async () => (await problem()) === 'EADDRNOTAVAIL')
    expect((await ask(site.client, `${outside.url}/healthz`, scraper)).status).toBe(200)
    await site.lab.namespace('ctl').ip([`address add ${late}/24 dev int0`])
    await listening()
    const { exitCode } = await ask(server(), `https://${late}:9443/healthz`, scraper)
    // CURLE_PEER_FAILED_VERIFICATION: it is there, and its certificate is of other addresses.
    expect(exitCode).toBe(60)
  })
})

test('a reload takes certificates that were renewed under their names, and none that are wrong', async () => {
  await configure([`${outside.address}:9443`])
  await listening()
  const before = (await network()).notAfter
  await authority.sign('engine', outside.address, inside.address, '10.1.0.253')
  expect(await site.engine.ask('reload')).toMatchObject({ changed: true })
  expect(await site.engine.ask('reload')).toMatchObject({ changed: false })
  expect(Date.parse((await network()).notAfter)).toBeGreaterThanOrEqual(Date.parse(before))
  const wrong = configure([`${outside.address}:9443`], { ...engine, key: scraper.key })
  await expect(wrong).rejects.toThrow('ERR_SLUICE_ADMIN_CERTIFICATE')
  expect((await ask(site.client, `${outside.url}/healthz`, scraper)).status).toBe(200)
})

test('the books balance, and the host has lost nothing to the engine', async () => {
  const { drops } = await site.end()
  expect(drops.hostAddress).toBeGreaterThan(100)
})
