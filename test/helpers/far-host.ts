/** A host behind another one of a laboratory, which routes to it over a link of its own. */
import type { Family, Host, Namespace } from '../../src/laboratory/index.js'

export interface FarHost extends Host {
  /** Its networks, as a route names them. */
  network: (family: Family) => string
}

export interface FarLink {
  router: Namespace
  host: Namespace
  /** Tells the links of a laboratory apart: 2 to 9. */
  number: number
  /** Of the link; default 1500. */
  mtu?: number | undefined
}

/**
 * Takes `host` from where it was and places it behind `router`. It lets others send it segments as
 * large as an Ethernet carries: of a smaller link they learn by ICMP alone.
 */
export async function placeBehind(link: FarLink): Promise<FarHost> {
  const { router, host, number, mtu = 1500 } = link
  const prefix = { 4: `10.${number}.0.`, 6: `2001:db8:${number}0::` } as const
  const [outer, inner] = [`far${number}`, `near${number}`]
  await router.setSysctls({ 'ipv4/ip_forward': 1, 'ipv6/conf/all/forwarding': 1 })
  await router.ip([
    `link add ${outer} mtu ${mtu} type veth peer name ${inner} mtu ${mtu} netns ${host.name}`,
    `address add ${prefix[4]}1/24 dev ${outer}`,
    `address add ${prefix[6]}1/64 dev ${outer} nodad`,
    `link set ${outer} up`,
  ])
  await host.ip([
    'link set eth0 down',
    `address add ${prefix[4]}2/24 dev ${inner}`,
    `address add ${prefix[6]}2/64 dev ${inner} nodad`,
    `link set ${inner} up`,
    `route add default via ${prefix[4]}1 advmss 1460`,
    `route add default via ${prefix[6]}1 advmss 1440`,
  ])
  return {
    name: `far${number}`,
    namespace: host,
    address: (family = 4) => `${prefix[family]}2`,
    network: (family) => (family === 4 ? `${prefix[4]}0/24` : `${prefix[6]}/64`),
  }
}
