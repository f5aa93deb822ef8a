import type { NewFlow, NodeFigures } from '../policy/new-flow.js'
import type { Balance } from './balance.js'

/** FNV-1a over UTF-16 units, then the finalizer of MurmurHash3: short keys differ in few bits. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Rendezvous hashing: a node that comes or goes moves only the keys that it wins or held. */
function highestScore(key: string, nodes: readonly NodeFigures[]): NodeFigures {
  let best = nodes[0]
  let bestScore = -1
  for (const node of nodes) {
    const score = hash(`${key} ${node.name}`)
    if (score > bestScore) {
      best = node
      bestScore = score
    }
  }
  return best
}

const hashOf =
  (key: (flow: NewFlow) => string): Balance =>
  (flow, nodes) =>
    highestScore(key(flow), nodes)

/** The same client address gives the same node (LB-03). L4 ports do not count. */
export const sourceHash = hashOf((flow) => flow.client.address)

/** The same destination address gives the same node. */
export const destinationHash = hashOf((flow) => flow.destination.address)

/** The same pair of addresses gives the same node. */
export const sourceDestinationHash = hashOf(
  (flow) => `${flow.client.address} ${flow.destination.address}`,
)
