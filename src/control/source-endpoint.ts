/** Where a session leaves from, if not from its client's endpoint: the number of the address, 0 for the
 *  client's own, and the port. */
export type SourceEndpoint = number
export const noSource: SourceEndpoint = 0
