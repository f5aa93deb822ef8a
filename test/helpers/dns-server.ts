/** A real DNS server in a laboratory, with one answer that fits no Ethernet frame. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Host, type Laboratory, type LabProcess, until } from '../../src/laboratory/index.js'

/** `dig big.test TXT` has an answer of some 4 000 bytes. */
export const BIG_STRINGS = Array.from({ length: 16 }, (_, index) =>
  String.fromCharCode(97 + index).repeat(240),
)

export async function startDnsServer(lab: Laboratory, host: Host): Promise<LabProcess> {
  const folder = join(lab.folder, `nsd-${host.name}`)
  mkdirSync(folder, { recursive: true })
  const addresses = lab.families.map((family) => host.address(family))
  const file = join(folder, 'nsd.conf')
  writeFileSync(file, configuration(folder, addresses))
  writeFileSync(join(folder, 'test.zone'), zone(host.name))
  const process = await host.namespace.spawn('nsd', ['-d', '-c', file])
  await until(
    () => `nsd on ${addresses.join(', ')}. It says: ${process.output()}`,
    async () => {
      if (!process.running) throw new Error(`nsd has ended: ${process.output()}`)
      const { stdout } = await host.namespace.exec('ss', ['-Hlun', 'sport = :53'])
      return addresses.every((address) => stdout.includes(address))
    },
  )
  return process
}

const configuration = (folder: string, addresses: string[]) => `
server:
  server-count: 1
${addresses.map((address) => `  ip-address: ${address}`).join('\n')}
  ipv4-edns-size: 4200
  ipv6-edns-size: 4200
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  zonelistfile: "${folder}/zone.list"
  xfrdfile: "${folder}/xfrd.state"
  pidfile: ""
  logfile: ""
remote-control:
  control-enable: no
zone:
  name: test
  zonefile: test.zone
`

/** `dig who.test TXT` tells which server answers. */
const zone = (name: string) => `$TTL 60
@ IN SOA ns.test. admin.test. 1 60 60 60 60
@ IN NS ns
ns IN A 192.0.2.53
who IN TXT "${name}"
who.corp IN TXT "${name}"
big IN TXT ${BIG_STRINGS.map((text) => `"${text}"`).join(' ')}
`
