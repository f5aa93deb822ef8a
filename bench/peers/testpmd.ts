/** DPDK's example forwarder on the kernel's own interfaces, without huge pages. */
import type { Laboratory } from '../../src/laboratory/index.js'

/** Forwards between both devices of the engine's place, with a new destination MAC address only. */
export async function enterTestpmd(
  lab: Laboratory,
  driver: 'net_af_packet' | 'net_af_xdp',
): Promise<string> {
  const place = lab.namespace('ctl')
  const { stdout } = await lab.namespace('srv1').exec('ip', ['-j', 'link', 'show', 'dev', 'eth0'])
  const [{ address }] = JSON.parse(stdout) as [{ address: string }]
  const devices = ['ext0', 'int0'].map(
    (device, index) => `--vdev=${driver}${index},iface=${device}`,
  )
  const eal = ['--no-huge', '-m', '512', '--no-pci', '-l', '0,1', `--file-prefix=${place.name}`]
  const forward = ['--forward-mode=mac', `--eth-peer=1,${address}`, '--total-num-mbufs=16384']
  const running = ['--auto-start', '--stats-period=1']
  const testpmd = await place.spawn('dpdk-testpmd', [
    ...eal,
    ...devices,
    '--',
    ...forward,
    ...running,
  ])
  await testpmd.waitForOutput(/NIC statistics for port 1/, 30_000)
  return lab.serverAddresses()[0] as string
}
