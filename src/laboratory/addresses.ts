/** The address plan that all topologies share. */

export type Family = 4 | 6

interface Subnet {
  prefix: number
  /** The engine's own address, which is everybody's gateway. */
  engine: string
}

export const OUTSIDE: Record<Family, Subnet & { client: string; virtual: string }> = {
  4: { prefix: 24, engine: '192.0.2.1', client: '192.0.2.10', virtual: '192.0.2.100' },
  6: {
    prefix: 64,
    engine: '2001:db8:1::1',
    client: '2001:db8:1::10',
    virtual: '2001:db8:1::100',
  },
}

export const INSIDE: Record<Family, Subnet> = {
  4: { prefix: 24, engine: '10.1.0.1' },
  6: { prefix: 64, engine: '2001:db8:2::1' },
}

/** Address of the server with a number from 1: 10.1.0.11, 2001:db8:2::11 and so on. */
export function serverAddress(family: Family, server: number): string {
  return family === 4 ? `10.1.0.${10 + server}` : `2001:db8:2::${10 + server}`
}

export function withPrefix(address: string, subnet: Subnet): string {
  return `${address}/${subnet.prefix}`
}

/** `ip` lines that give a device its addresses. nodad: an address is of use at once. */
export function addressLines(device: string, addresses: readonly string[]): string[] {
  return addresses.map(
    (address) => `address replace ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`,
  )
}

/** `ip` lines that make the engine the way to everywhere else. */
export function defaultRouteLines(
  device: string,
  side: Record<Family, Subnet>,
  families: readonly Family[],
): string[] {
  return families.map((family) => `route replace default via ${side[family].engine} dev ${device}`)
}
