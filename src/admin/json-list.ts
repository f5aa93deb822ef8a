/** A JSON array that is made as it is read, so that a long one takes little memory. */

const chunkBytes = 65_536
const encoder = new TextEncoder()

/** `items` is asked for the next when the reader has room for it. */
export function jsonList(items: Iterable<unknown>): ReadableStream<Uint8Array> {
  const iterator = items[Symbol.iterator]()
  let separator = '['
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      let text = ''
      while (text.length < chunkBytes) {
        const { done, value } = iterator.next()
        if (done) {
          controller.enqueue(encoder.encode(`${text}${separator === '[' ? '[' : ''}]\n`))
          controller.close()
          return
        }
        text += separator + JSON.stringify(value)
        separator = ','
      }
      controller.enqueue(encoder.encode(text))
    },
    cancel: () => void iterator.return?.(),
  })
}
