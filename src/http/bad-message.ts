/** What is no HTTP, or not ours to pass on. */
export class BadMessage extends Error {
  /** @param status that the client is told, where it is not too late */
  constructor(
    readonly status: number,
    what: string,
  ) {
    super(`${status}: ${what}`)
  }
}

const reasons: Record<number, string> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

/** An answer of the router's own, behind which the connection is closed. */
export function ownAnswer(status: number, method: string): string {
  const reason = reasons[status] ?? 'Error'
  const body = `${status} ${reason}\n`
  const fields = `Content-Type: text/plain\r\nContent-Length: ${body.length}\r\nConnection: close`
  return `HTTP/1.1 ${status} ${reason}\r\n${fields}\r\n\r\n${method === 'HEAD' ? '' : body}`
}
