/** An address of one host, as a user writes it. */
import { familyAt, formatAddress, parseAddress } from '../bus/address.js'
import { hostProblem } from './host-address.js'
import { addressForm } from './json-forms.js'
import { reading } from './readers.js'

export const plainAddress = (example: string, remedy: string) =>
  reading<string>(addressForm, (input) => {
    const bytes = typeof input === 'string' ? parseAddress(input) : undefined
    if (!bytes) return { problem: 'is not an IP address', remedy: `write it as '${example}'` }
    const address = formatAddress(bytes)
    const problem = hostProblem(address, familyAt(bytes))
    return problem === undefined ? address : { problem, remedy }
  })
