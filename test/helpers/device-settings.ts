/** What an engine might change of the devices that it works on. */
import type { Laboratory } from '../../src/laboratory/index.js'

/** As text, to be compared: settings, state and addresses of the engine's devices, packet filters. */
export async function deviceSettings(lab: Laboratory): Promise<string> {
  const sysctls = ['ext0', 'int0'].flatMap((device) => [
    `/proc/sys/net/ipv4/conf/${device}`,
    `/proc/sys/net/ipv6/conf/${device}`,
  ])
  const script = `grep -r . ${sysctls.join(' ')}; ip -d link | grep -v state; ip address; nft list ruleset`
  return (await lab.namespace('ctl').tryExec('sh', ['-c', script])).stdout
}
