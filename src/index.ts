export { type Credentials, readCredentials, tlsOptions } from './admin/credentials.js'
export { AdminNetwork } from './admin/network.js'
export { AdminServer } from './admin/server.js'
export { claimSocketPath, defaultSocketPath } from './admin/socket.js'
export type {
  AdminSource,
  ListenerStatus,
  NetworkStatus,
  NodeOrder,
  ReloadResult,
  VirtualServerOrder,
} from './admin/source.js'
export type { AlgorithmName, BalanceChoice, HashKey } from './balance/algorithms.js'
export type { Balance, BalanceState } from './balance/balance.js'
export { type CapabilityName, dropCapabilities, effectiveCapabilities } from './capabilities.js'
export type { CaptureOptions } from './capture.js'
export type {
  AdminConfig,
  CheckConfig,
  DatagramServerConfig,
  FunctionCheckConfig,
  HttpCheckConfig,
  LimitsConfig,
  NodeConfig,
  PassiveCheckConfig,
  PoolConfig,
  PortConfig,
  RouteConfig,
  SluiceConfig,
  TcpCheckConfig,
  TimeoutsConfig,
  VirtualServerConfig,
} from './config/config.js'
export { defineConfig } from './config/config.js'
export { configurationSchema } from './config/json-schema.js'
export {
  type CompiledConfig,
  compileConfigFile,
  type LoadedConfig,
  loadConfigFile,
} from './config/load.js'
export { resolveConfig } from './config/resolve.js'
export type { ResolvedConfig } from './config/resolved.js'
export type {
  BusCounters,
  DecisionCounters,
  EngineStatus,
  FlowRecord,
  NodeStatus,
  PoolStatus,
  PortStatus,
  SocketStatus,
  Traffic,
  VirtualServerStatus,
} from './control/status.js'
export type { Endpoint, Family } from './endpoint.js'
export { Engine, type EngineOptions, type ReloadOptions } from './engine.js'
export { type ConfigIssue, SluiceError, type SluiceErrorCode } from './errors.js'
export { type EngineEvent, EventLog, type EventSource } from './event-log.js'
export type { CheckFunction } from './health/function-probe.js'
export {
  type HttpRoute,
  type HttpRouterOptions,
  type HttpTarget,
  httpRouter,
  type RoutedRequest,
} from './http/router.js'
export {
  type Capability,
  capabilities,
  ensurePrivileges,
  type Host,
  type HostCapabilities,
  Laboratory,
  LaboratoryError,
  type LaboratoryOptions,
} from './laboratory/index.js'
export { eventNames, type LogDetails, type Logger, type TroubleDetails } from './logger.js'
export { addonFile, guardEnd, trySteering, type XdpSupport, xdpSupport } from './native.js'
export type { Decision, Policy, PolicyAnswer, Rejection } from './policy/decision.js'
export type { HttpRequest } from './policy/http-request.js'
export type {
  ActivityRanking,
  FlowActivity,
  NewFlow,
  NodeFigures,
  NodeState,
  PoolFigures,
} from './policy/new-flow.js'
export type { TlsClientHello } from './policy/tls-client-hello.js'
export type { Protocol } from './protocol.js'
export type {
  DatagramFunction,
  DatagramFunctions,
  DatagramPair,
  DatagramPairEvents,
} from './socket/datagram-pair.js'
export { DatagramSocket, type DatagramSocketEvents } from './socket/datagram-socket.js'
export type { SocketPair, SocketPairEvents } from './socket/pair.js'
export type { ParkingLot, ParkingLotEvents } from './socket/parking.js'
export type { Server, ServerEvents } from './socket/server.js'
export type {
  DatagramServiceFunction,
  PickedNode,
  ServiceContext,
  ServiceFunction,
  ServicePools,
  ServiceRequest,
} from './socket/service.js'
export { Socket } from './socket/socket.js'
export type {
  Abortable,
  AssociateOptions,
  Boundary,
  ClientIdentity,
  CloseOptions,
  CloseSideOptions,
  ConnectOptions,
  DatagramConnectOptions,
  DatagramListenOptions,
  DatagramPairStats,
  DatagramQuery,
  DatagramUnproxyResult,
  Direction,
  DisassociateOptions,
  EvictReason,
  FlowKey,
  FlowQuery,
  GetOptions,
  ListenOptions,
  PairInfo,
  PairMode,
  PairStats,
  PairTransforms,
  ParkedHandle,
  ParkedInfo,
  ParkedMatch,
  ParkOptions,
  PeerClose,
  RedirectOptions,
  ReusePolicy,
  Side,
  SideCloseReason,
  SocketUse,
  SpliceBlock,
  StackStats,
  TcpInfo,
  TcpStateName,
  UnproxyOptions,
  UnproxyResult,
  UnproxyUntilOptions,
} from './socket/types.js'
export { Stack } from './stack.js'
export type { StackAddress, StackInterface, StackOptions } from './stack-options.js'
export { Supervisor } from './supervisor.js'
