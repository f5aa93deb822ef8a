/** The options that a host's kernel wants of TCP, in all combinations. */
import type { Namespace } from '../../src/laboratory/index.js'

/** What a host may offer, as its kernel has it set. */
export const OFFERS = [0, 1].flatMap((timestamps) =>
  [0, 1].flatMap((sack) => [0, 1].map((scaling) => ({ timestamps, sack, scaling }))),
)
export type Offer = (typeof OFFERS)[number]

/** From now on connections of a host are opened and answered like that. */
export function offer(at: Namespace, { timestamps, sack, scaling }: Offer, ecn = 0): Promise<void> {
  return at.setSysctls({
    'ipv4/tcp_timestamps': timestamps,
    'ipv4/tcp_sack': sack,
    'ipv4/tcp_window_scaling': scaling,
    'ipv4/tcp_ecn': ecn,
  })
}
