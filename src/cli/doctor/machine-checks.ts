/**
 * What this machine allows: one finding for each thing that the engine, or the demo, stands on.
 */
import { bytes } from '../format.js'
import { type Finding, healthy, missing, remark } from './finding.js'
import type { Machine } from './machine.js'

export type PortKind = 'tap' | 'packet' | 'xdp' | 'memory'

const oldestNode = 20
const grant =
  'Run as root, or with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in its systemd unit.'

/**
 * Checks the machine for ports of the `kinds` that a configuration has: those must be possible.
 * Without kinds it is enough if either one is.
 */
export function checkMachine(machine: Machine, kinds?: readonly PortKind[]): Finding[] {
  const [packet, tap] = [checkPacket(machine), checkTap(machine)]
  const needs = (kind: PortKind, other: Finding) => (kinds ? kinds.includes(kind) : !other.ok)
  return [
    checkRuntime(machine),
    checkAddon(machine),
    { ...packet, needed: needs('packet', tap) },
    { ...tap, needed: needs('tap', packet) },
    { ...checkXdp(machine), needed: kinds?.includes('xdp') ?? false },
    checkSteering(machine),
    checkPrivileges(machine),
    checkLaboratory(machine),
    checkMemory(machine),
  ]
}

function checkRuntime({ nodeVersion, kernel }: Machine): Finding {
  const detail = `Node ${nodeVersion}, Linux ${kernel}`
  return Number.parseInt(nodeVersion, 10) >= oldestNode
    ? healthy('runtime', detail)
    : missing('runtime', detail, `Install Node ${oldestNode} or later.`)
}

function checkAddon({ addon }: Machine): Finding {
  if ('file' in addon) return healthy('native addon', addon.file)
  const remedy = 'Build it: `npm run build` in a clone, `npm rebuild sluice` in a project.'
  return missing('native addon', addon.error, remedy)
}

function checkPacket({ host, privileges }: Machine): Finding {
  const { available, reason, remedy } = host.afPacket
  if (!available) return missing('packet ports', reason, remedy)
  if (!privileges.includes('CAP_NET_ADMIN'))
    return missing('packet ports', 'the process has no CAP_NET_ADMIN', grant)
  return healthy('packet ports', 'AF_PACKET sockets open')
}

function checkXdp({ host, privileges }: Machine): Finding {
  const { available, reason, remedy } = host.afXdp
  if (!available) return missing('xdp ports', reason, remedy)
  if (!privileges.includes('CAP_NET_ADMIN'))
    return missing('xdp ports', 'the process has no CAP_NET_ADMIN', grant)
  if (!privileges.includes('CAP_NET_RAW'))
    return missing('xdp ports', 'the process has no CAP_NET_RAW', grant)
  return healthy('xdp ports', 'AF_XDP sockets and BPF programs can be made')
}

function checkTap({ host, privileges }: Machine): Finding {
  const { available, reason, remedy } = host.tun
  if (!available) return missing('tap ports', reason, remedy)
  if (!privileges.includes('CAP_NET_ADMIN'))
    return missing('tap ports', 'the process has no CAP_NET_ADMIN', grant)
  return healthy('tap ports', 'TAP devices can be made')
}

/** Several workers do without the program: what comes to the wrong one is handed over. */
function checkSteering({ steering }: Machine): Finding {
  if ('works' in steering)
    return healthy('steering', 'the kernel brings packets to the worker that has their flow')
  return remark(
    'steering',
    `workers hand packets over to each other, which costs time: ${steering.error}`,
    'Run as root outside of any user namespace, or with CAP_BPF. One worker needs none of it.',
  )
}

/** What ports may need at the end (native/port/kernel_silence.h). */
function checkPrivileges({ privileges, steering, kernel }: Machine): Finding {
  if (privileges.length === 0) return healthy('privileges', 'none, so there are none to give up')
  const [major = 0, minor = 0] = kernel.split('.').map(Number)
  const bySettings = 'error' in steering || major * 1000 + minor < 6006
  return healthy(
    'privileges',
    bySettings
      ? 'given up when the ports are open, but for CAP_NET_ADMIN where settings of devices are to be undone'
      : 'given up when the ports are open',
  )
}

/** The private network namespaces of `sluice demo`; the engine itself needs none. */
function checkLaboratory({ host }: Machine): Finding {
  if (host.netns.available) return healthy('laboratory', 'network namespaces can be laid')
  const { available, reason, remedy } = host.userNamespaces
  return available
    ? healthy('laboratory', 'network namespaces can be laid within a user namespace')
    : remark('laboratory', `not for this user: ${reason}`, remedy)
}

/** Default limits take about 240 MiB (config.ts); the rest is Node and room to move. */
const comfortableBytes = 384 * 1024 * 1024

function checkMemory({ memoryAvailable }: Machine): Finding {
  const known = Number.isFinite(memoryAvailable)
  const detail = known ? `${bytes(memoryAvailable)} available` : 'no limit known'
  return memoryAvailable >= comfortableBytes
    ? healthy('memory', detail)
    : remark('memory', detail, 'Set smaller `limits`, or give the machine or container more.')
}
