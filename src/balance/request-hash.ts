/** What of a client's request is hashed (LB-04 to LB-06). One that does not have it goes by its
 *  address: it has a node of its own, too. */
import type { BalancedFlow } from './balancer.js'
import { hashText } from './hash.js'

type HashedFlow = Pick<BalancedFlow, 'http' | 'cookie' | 'sourceHash'>

const hashOr = (text: string | undefined, flow: HashedFlow) =>
  text === undefined || text === '' ? flow.sourceHash : hashText(text)

export const requestKeys = {
  /** Of the cookie that was read, or one of the request's. */
  cookie: (name: string) => (flow: HashedFlow) =>
    hashOr(flow.cookie ?? flow.http.cookies[name], flow),
  header: (name: string) => {
    const lower = name.toLowerCase()
    return (flow: HashedFlow) => hashOr(flow.http.headers[lower], flow)
  },
  url: () => (flow: HashedFlow) => hashOr(flow.http.target, flow),
} as const

/** Those that belong to a name. */
export const namedKeys = ['cookie', 'header'] as const
