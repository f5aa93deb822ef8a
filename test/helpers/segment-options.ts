/** What a data flow segment over memory alone is started with. */
import type { NativeSegmentOptions } from '../../src/native.js'

export const memoryPort: NativeSegmentOptions['ports'][number] = {
  name: 'inside',
  kind: 'memory',
  device: '',
  netns: '',
  mac: '',
  mtu: 1500,
  vlans: [],
  addresses: ['10.1.0.1/24', '2001:db8:2::1/64'],
  hostAddresses: [],
  internal: true,
  offloads: true,
  capture: '',
}

export const segmentOptions: NativeSegmentOptions = {
  node: 1,
  workers: 1,
  cpus: [],
  ports: [memoryPort],
  routes: [{ to: '0.0.0.0/0', via: '10.1.0.254' }],
  forwarding: 'none',
  synCookies: 'auto',
  limits: {
    flows: 64,
    waitingFlows: 16,
    waitingPackets: 64,
    packetBuffers: 64,
    fragmentedDatagrams: 16,
    waitingFragments: 16,
    neighbors: 16,
    busBytes: 65536,
    connections: 16,
    timeWaits: 16,
    bufferBytes: 1024 * 1024,
    windowsFor: 0,
    streamBytes: 65536 * 4,
  },
  timeouts: {
    tcpEstablished: 60_000,
    tcpOpening: 5_000,
    tcpClosing: 5_000,
    udp: 5_000,
    icmp: 5_000,
    other: 5_000,
    linger: 5_000,
    refused: 5_000,
    statsInterval: 5_000,
    timeWait: 60_000,
  },
}
