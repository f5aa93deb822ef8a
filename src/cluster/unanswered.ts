/** Questions of which the answer was not seen yet. Some never get one: the oldest give way. */
import { Question } from '../control/question.js'
import type { QueryView } from '../generated/messages.js'

interface Asked {
  readonly question: Question
  readonly vsId: number
}

export class Unanswered {
  readonly #bySerial = new Map<number, Asked>()

  constructor(private readonly most: number) {}

  get size(): number {
    return this.#bySerial.size
  }

  add(message: QueryView): void {
    const question = new Question().readQuery(message)
    this.#bySerial.set(question.serial, { question, vsId: message.vsId })
    if (this.#bySerial.size <= this.most) return
    for (const oldest of this.#bySerial.keys()) {
      this.#bySerial.delete(oldest)
      return
    }
  }

  /** The question that an answer with this serial is for. */
  take(serial: number): Question | undefined {
    const asked = this.#bySerial.get(serial)
    this.#bySerial.delete(serial)
    return asked?.question
  }

  /** Nobody waits any more, or nobody of a virtual server (not 0). */
  forget(scope: number): void {
    for (const [serial, { vsId }] of this.#bySerial) {
      if (scope === 0 || vsId === scope) this.#bySerial.delete(serial)
    }
  }
}
