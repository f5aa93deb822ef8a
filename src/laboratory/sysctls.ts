/**
 * What every namespace of a laboratory pins, so that the host's own settings do not show in tests
 * and measurements. Paths below /proc/sys/net.
 */
import { readFileSync } from 'node:fs'

/** Set before any device is made, so that `default` holds for all of them. */
export const PINNED: Record<string, string | number> = {
  'ipv4/tcp_timestamps': 1,
  'ipv4/tcp_sack': 1,
  'ipv4/tcp_window_scaling': 1,
  'ipv4/tcp_ecn': 0,
  // Tests and load generators open connections faster than TIME_WAIT sets ports free.
  'ipv4/tcp_tw_reuse': 1,
  'ipv4/ip_local_port_range': '1024 65535',
  // Nothing learnt by one connection colours the next one.
  'ipv4/tcp_no_metrics_save': 1,
  'ipv4/conf/all/rp_filter': 0,
  'ipv4/conf/default/rp_filter': 0,
  'ipv4/conf/all/accept_redirects': 0,
  'ipv4/conf/default/accept_redirects': 0,
  'ipv4/conf/all/send_redirects': 0,
  'ipv4/conf/default/send_redirects': 0,
  'ipv6/conf/all/accept_redirects': 0,
  'ipv6/conf/default/accept_redirects': 0,
  // An address is of use at once, and nobody solicits routers.
  'ipv6/conf/all/accept_dad': 0,
  'ipv6/conf/default/accept_dad': 0,
  'ipv6/conf/default/dad_transmits': 0,
  'ipv6/conf/default/accept_ra': 0,
  'ipv6/conf/default/router_solicitations': 0,
}

/**
 * The congestion control that a namespace can be given: a kernel lets other namespaces than the
 * first choose among its allowed ones only, even for root. Cubic where it may be, else Reno.
 */
export function congestionControl(): 'cubic' | 'reno' {
  try {
    const path = '/proc/sys/net/ipv4/tcp_allowed_congestion_control'
    return readFileSync(path, 'utf8').split(/\s+/).includes('cubic') ? 'cubic' : 'reno'
  } catch {
    // The file shows in the first namespace only: what is there in every kernel is Reno.
    return 'reno'
  }
}
