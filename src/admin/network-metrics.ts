/** What `/metrics` says of the administration over the network, where there is any. */
import type { Metric } from './exposition.js'
import type { ListenerStatus, NetworkStatus } from './source.js'

const results = ['accepted', 'refused', 'crowdedOut'] as const
const labelOf = { accepted: 'accepted', refused: 'refused', crowdedOut: 'crowded_out' }

export function networkMetrics(network: NetworkStatus | null | undefined): Metric[] {
  if (!network) return []
  const { listeners, notAfter } = network
  const gauge = (name: string, help: string, read: (one: ListenerStatus) => number): Metric => ({
    type: 'gauge',
    name: `sluice_admin_${name}`,
    help,
    samples: listeners.map((one) => [{ address: one.address }, read(one)]),
  })
  return [
    gauge('listening', 'Whether the administration listens there', (one) => Number(one.listening)),
    gauge('connections', 'Connections of peers with a certificate', (one) => one.connections),
    {
      type: 'counter',
      name: 'sluice_admin_peers_total',
      help: 'Peers by what became of them; refused are those without a certificate that is believed',
      samples: listeners.flatMap((one) =>
        results.map(
          (result) => [{ address: one.address, result: labelOf[result] }, one[result]] as const,
        ),
      ),
    },
    {
      type: 'gauge',
      name: 'sluice_admin_certificate_expiry_seconds',
      help: 'When the certificate of the administration expires, since 1970',
      samples: [[{}, Date.parse(notAfter) / 1000]],
    },
  ]
}
