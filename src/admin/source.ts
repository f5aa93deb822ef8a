/** What the administration interface asks of an engine and of who runs it; every `Engine` is one. */

/** How a reload went that changed something, or found nothing to change. */
export interface ReloadResult {
  readonly changed: boolean
  readonly policyRevision: string | null
}

export interface AdminSource {
  status(): { ready: boolean }
  flows(): Promise<readonly object[]>
  /** Reads the configuration's file again; not there where the engine was not made of a file. */
  reloadFile?(): Promise<ReloadResult>
}
