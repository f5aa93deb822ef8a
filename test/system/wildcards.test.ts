/** Virtual servers of what nobody else has, of a node's own address, and nodes behind routers. */
import { expect, test } from 'vitest'
import { type Family, type Laboratory, until } from '../../src/laboratory/index.js'
import { Capture } from '../helpers/capture.js'
import { decodeFrame } from '../helpers/frame.js'
import { curl, url } from '../helpers/http-clients.js'
import { NginxServer } from '../helpers/servers.js'
import { endpoint, listen, Site } from '../helpers/site.js'
import { requireCaptures, requireTools } from '../helpers/skip.js'

requireCaptures()
requireTools('ip', 'nsenter', 'nginx', 'curl')

const elsewhere: Record<Family, string> = { 4: '203.0.113.80', 6: '2001:db8:5::80' }
const networks: Record<Family, string> = { 4: '203.0.113.0/24', 6: '2001:db8:5::/64' }
/** srv2. */
const router: Record<Family, string> = { 4: '10.1.0.12', 6: '2001:db8:2::12' }
const any: Record<Family, string> = { 4: '0.0.0.0', 6: '[::]' }

test('VS-13 VS-14 VS-15 what no other virtual server has is served by the most exact one', async () => {
  const only = (node: number, family: Family, lab: Laboratory) =>
    `nodes: ['${endpoint(lab.serverAddresses(family)[node - 1] as string, 80)}']`
  await using site = await Site.start({
    topology: 'two-arm',
    pools: (family, lab) => ({ one: only(1, family, lab), two: only(2, family, lab) }),
    virtualServers: (family, lab) => ({
      exact: `listen: '${listen(lab, family, 80)}', pool: 'one${family}'`,
      port: `listen: '${listen(lab, family, 0)}', wildcardPort: true, pool: 'two${family}'`,
      address: `listen: 'tcp://${any[family]}:80', wildcardAddress: true, pool: 'two${family}'`,
    }),
  })
  await site.routeClient((family) => networks[family])
  for (const family of site.lab.families) {
    expect(await site.fetch(family)).toMatchObject({ body: 'srv1\n', exitCode: 0 })
    expect(await site.fetch(family, '/', 81)).toMatchObject({ body: 'srv2\n', exitCode: 0 })
    const far = await curl(site.client, url(elsewhere[family], '/', 80))
    expect(far).toMatchObject({ body: 'srv2\n', exitCode: 0 })
  }
  const { virtualServers } = await site.status()
  expect(virtualServers.map(({ totalConnections }) => totalConnections)).toEqual([1, 1, 1, 1, 1, 1])
  await site.end()
})

test('LB-11 a server that is asked by its own address while it is down: another answers', async () => {
  await using site = await Site.start({
    topology: 'two-arm',
    amongServers: true,
    pool: `check: { kind: 'tcp', intervalMs: 200, fall: 2 }`,
    virtualServers: (family, lab) => ({
      own: `listen: 'tcp://${endpoint(lab.serverAddresses(family)[1] as string, 80)}', arp: false,
        policy: ({ destination: { address, port } }) => ({
          node: address.includes(':') ? \`[\${address}]:\${port}\` : \`\${address}:\${port}\`
        })`,
    }),
  })
  const { lab, servers } = site
  const ask = (family: Family) =>
    curl(site.client, url(lab.serverAddresses(family)[1] as string, '/', 80))
  for (const family of lab.families) {
    expect(await ask(family)).toMatchObject({ body: 'srv2\n', exitCode: 0 })
  }
  await servers[1]?.stop()
  await until('srv2 is down', async () => {
    const { pools } = await site.status()
    return pools.every(({ nodes }) => nodes[1]?.state === 'down')
  })
  for (const family of lab.families) {
    const { body, exitCode } = await ask(family)
    expect(exitCode).toBe(0)
    expect(['srv1\n', 'srv3\n']).toContain(body)
    // What is no business of the virtual server reaches the host as ever.
    const own = lab.serverAddresses(family)[1] as string
    await site.client.exec('ping', ['-c', '1', '-w', '5', own])
  }
  await site.end()
})

/** srv1 and srv2 route to the address that srv3 has behind them. */
async function startRoutedServer(lab: Laboratory): Promise<NginxServer[]> {
  const [one, two, three] = lab.servers
  if (!one || !two || !three) throw new Error('three servers')
  for (const family of lab.families) {
    const [address, length] = [elsewhere[family], family === 4 ? 32 : 128]
    await three.namespace.ip([`address add ${address}/${length} dev lo`])
    for (const { namespace } of [one, two]) {
      await namespace.ip([`route add ${address}/${length} via ${three.address(family)}`])
    }
  }
  for (const { namespace } of [one, two]) {
    await namespace.setSysctls({ 'ipv4/ip_forward': 1, 'ipv6/conf/all/forwarding': 1 })
    // Not to tell the engine of a better way.
    await namespace.setSysctls({ 'ipv4/conf/all/send_redirects': 0 })
    await namespace.setSysctls({ 'ipv4/conf/eth0/send_redirects': 0 })
  }
  return [await NginxServer.start(lab, three, { also: (family) => elsewhere[family] })]
}

test.each([
  {
    name: 'its address known to the engine',
    keys: (family: Family) =>
      `{ address: '${endpoint(elsewhere[family], 80)}', nextHop: '${router[family]}' }`,
    flags: '',
    target: (lab: Laboratory, family: Family) => lab.virtualAddress(family),
  },
  {
    name: 'the client knowing its address',
    keys: (family: Family) => `'${endpoint(router[family], 80)}'`,
    flags: 'wildcardAddress: true, translateAddress: false, translatePort: false,',
    target: (_lab: Laboratory, family: Family) => elsewhere[family],
  },
])('ARCH-11 VS-12 a node behind a router, $name', async ({ keys, flags, target }) => {
  await using site = await Site.start({
    topology: 'two-arm',
    startServers: startRoutedServer,
    pools: (family) => ({ behind: `nodes: [${keys(family)}]` }),
    virtualServers: (family, lab) => ({
      far: `listen: '${listen(lab, family, 80)}', ${flags} pool: 'behind${family}'`,
    }),
  })
  const { lab } = site
  const { stdout } = await lab.namespace('srv2').exec('ip', ['-j', 'link', 'show', 'eth0'])
  await site.routeClient((family) => networks[family])
  const capture = await Capture.start(lab, lab.namespace('ctl'), 'int0', { filter: 'tcp' })
  for (const family of lab.families) {
    const answer = await curl(site.client, url(target(lab, family), '/', 80))
    expect(answer).toMatchObject({ body: 'srv3\n', exitCode: 0 })
  }
  const syns = (await capture.read()).filter(({ bytes }) => {
    const { tcp } = decodeFrame(bytes)
    return tcp?.flags.has('SYN') && !tcp.flags.has('ACK')
  })
  expect(syns.length).toBeGreaterThan(0)
  for (const { bytes } of syns)
    expect(decodeFrame(bytes).destination).toBe(JSON.parse(stdout)[0].address)
  await site.end()
})
