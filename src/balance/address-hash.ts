import type { NewFlow, NodeFigures } from '../policy/new-flow.js'
import type { Balance } from './balance.js'

/** The finalizer of MurmurHash3: every bit of the input changes each of the output with even odds. */
function mixed(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** FNV-1a over UTF-16 units, mixed: short texts differ in few bits. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return mixed(h)
}

/** The hashes of the nodes' names, by the list, which never changes: a pool has one for its life. */
const hashesOf = new WeakMap<readonly NodeFigures[], Uint32Array>()

function nodeHashes(nodes: readonly NodeFigures[]): Uint32Array {
  let hashes = hashesOf.get(nodes)
  if (!hashes) {
    hashes = Uint32Array.from(nodes, ({ name }) => hash(name))
    hashesOf.set(nodes, hashes)
  }
  return hashes
}

/** Rendezvous hashing: a node that comes or goes moves only the keys that it wins or held. */
function highestScore(key: number, nodes: readonly NodeFigures[]): NodeFigures {
  const hashes = nodeHashes(nodes)
  let best = 0
  let bestScore = -1
  for (let i = 0; i < hashes.length; i++) {
    const score = mixed(key ^ hashes[i])
    if (score > bestScore) {
      best = i
      bestScore = score
    }
  }
  return nodes[best]
}

const hashOf =
  (key: (flow: NewFlow) => number): Balance =>
  (flow, nodes) =>
    highestScore(key(flow), nodes)

/** The same client address gives the same node (LB-03). L4 ports do not count. */
export const sourceHash = hashOf((flow) => hash(flow.client.address))

/** The same destination address gives the same node. */
export const destinationHash = hashOf((flow) => hash(flow.destination.address))

/** The same pair of addresses gives the same node. */
export const sourceDestinationHash = hashOf((flow) =>
  mixed(hash(flow.client.address) + hash(flow.destination.address) * 2),
)
