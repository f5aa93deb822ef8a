/**
 * The layers of docs/architecture.md as data: what a folder of native/ may include of the others.
 * An entry that ends in .h allows that one header.
 */
const ground = ['base', 'wire', 'packet', 'timer']
const protocols = ['rewrite', 'fragment', 'flow', 'inspect', 'tcp', 'stack']

export const nativeLayers: Record<string, string[]> = {
  base: [],
  wire: ['base'],
  // Sees bytes only.
  inspect: ['base'],
  packet: ['base', 'wire'],
  timer: ['base', 'wire', 'packet'],
  // Ports move frames and do not parse them.
  port: ['base', 'packet', 'timer', 'wire/address.h'],
  rewrite: ground,
  fragment: ground,
  flow: [...ground, 'rewrite'],
  // The flow entry is the small half of its control block; the table is not its business.
  tcp: [...ground, 'flow/flow_entry.h'],
  stack: [...ground, 'tcp'],
  bridge: ground,
  bus: [...ground, 'port', ...protocols],
  segment: [...ground, 'port', ...protocols, 'bridge', 'bus'],
  // The process as a whole; knows nothing of packets.
  process: ['base'],
  addon: [...ground, 'port', ...protocols, 'bridge', 'bus', 'segment', 'process'],
}

/** Headers that belong to one folder: nobody else may include them. */
export const systemHeaders = [
  { headers: /^<?"?(napi|node_api|js_native_api|uv)\.h/, folders: ['addon'] },
  { headers: /^<(linux\/(?!capability\.h)|net\/|netinet\/|netpacket\/)/, folders: ['port'] },
]

/** Law 2: time and randomness are arguments. Only these read a clock or an entropy source. */
export const readsOfClockOrEntropy =
  /clock_gettime|gettimeofday|(steady|system|high_resolution)_clock|\btime\(|__rdtsc|random_device|getrandom|getentropy|\bs?rand\(|\/dev\/u?random/
export const mayReadClockOrEntropy = ['native/base/clock.h', 'native/base/entropy.h']
/** And only these include them: the loop, and what starts it. */
export const mayIncludeClockOrEntropy = ['native/segment/worker.cc', 'native/segment/segment.cc']

/** What a folder or file of src/ may not import of the rest of src/. */
export const sourceLayers: { files: string; mayNotImport: RegExp; because: string }[] = [
  {
    files: 'src/policy/',
    mayNotImport: /^src\/(?!policy\/|balance\/|endpoint|errors|protocol)/,
    because: 'policies are pure: neither native code, nor the bus, nor control',
  },
  {
    files: 'src/balance/',
    mayNotImport: /^src\/(?!policy\/|balance\/|endpoint|errors)/,
    because: 'balancing is pure: neither native code, nor the bus, nor control',
  },
  {
    files: 'src/health/',
    mayNotImport: /^src\/(?!health\/|clock|endpoint|errors)/,
    because: 'checks know a server to look at and a clock: neither pools nor the bus',
  },
  {
    files: 'src/http/',
    mayNotImport: /^src\/(?!http\/|socket\/|errors)/,
    because: 'a router is built of sockets, as its users could have built it',
  },
  {
    files: 'src/socket/',
    mayNotImport:
      /^src\/(?!socket\/|bus\/|generated\/|endpoint|errors|logger|stack\.ts|policy\/new-flow)/,
    because: 'sockets know the engine by stream messages, and nothing of who decides',
  },
  {
    files: 'src/control/',
    mayNotImport: /^src\/(cluster|admin|cli)\//,
    because: 'a control segment knows neither who watches it nor who asks it',
  },
  {
    files: 'src/cluster/',
    mayNotImport: /^src\/(native|engine|admin\/|cli\/)/,
    because: 'another control segment is known by its messages',
  },
  {
    files: 'src/cli/',
    mayNotImport: /^src\/(?!cli\/|index\.ts)/,
    because: 'the command line is our first user: it imports index.ts only',
  },
  {
    files: 'src/laboratory/',
    mayNotImport: /^src\/(?!laboratory\/|errors)/,
    because: 'a laboratory knows nothing of the engine: tests and peers use it without one',
  },
  {
    files: 'src/generated/',
    mayNotImport: /./,
    because: 'generated files stand alone',
  },
]

/** Files of more than 400 lines that are still one thing, each with the reason. */
export const longFiles: Record<string, string> = {}
