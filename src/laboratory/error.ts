/** Trouble in laying or using a laboratory: match on `code`; `remedy` is a sentence for the user. */
export class LaboratoryError extends Error {
  override readonly name = 'LaboratoryError'

  constructor(
    readonly code:
      | 'ERR_SLUICE_LAB_PRIVILEGE'
      | 'ERR_SLUICE_LAB_COMMAND'
      | 'ERR_SLUICE_LAB_TIMEOUT'
      | 'ERR_SLUICE_LAB_TOPOLOGY',
    message: string,
    readonly remedy = '',
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
