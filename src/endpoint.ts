/** Words that every folder uses. */

export type Family = 4 | 6

/** An IP address, in canonical text, with an L4 port. */
export interface Endpoint {
  readonly address: string
  readonly port: number
  readonly family: Family
}
