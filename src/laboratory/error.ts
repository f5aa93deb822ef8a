import { SluiceError } from '../errors.js'

type LaboratoryErrorCode =
  | 'ERR_SLUICE_LAB_PRIVILEGE'
  | 'ERR_SLUICE_LAB_COMMAND'
  | 'ERR_SLUICE_LAB_TIMEOUT'
  | 'ERR_SLUICE_LAB_TOPOLOGY'

/** Trouble in laying or using a laboratory. */
export class LaboratoryError extends SluiceError {
  declare readonly code: LaboratoryErrorCode

  constructor(
    code: LaboratoryErrorCode,
    message: string,
    remedy = '',
    options: { cause?: unknown } = {},
  ) {
    super(code, message, remedy, options)
  }
}
