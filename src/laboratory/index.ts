/**
 * laboratory/: topologies of network namespaces with clients and servers around an engine, laid for
 * the demo, the system tests and the bench alike. It needs the `ip`, `nsenter` and `unshare` tools
 * and knows nothing of the engine: it gives a `ports` object, and the engine does the rest.
 * Guarantee: what a laboratory made is removed with it, also when its owner crashed.
 */
export type { Family } from './addresses.js'
export { type Capability, capabilities, type HostCapabilities } from './capabilities.js'
export { LaboratoryError } from './error.js'
export type { CommandOptions, CommandResult, ExitStatus, LabProcess } from './lab-process.js'
export { type Host, Laboratory, type LaboratoryOptions } from './laboratory.js'
export type { Namespace } from './namespace.js'
export { ensurePrivileges, inUserNamespace } from './privileges.js'
export { missingTools } from './tools.js'
export type { LaboratoryPort, TopologyName } from './topology.js'
export { until } from './until.js'
