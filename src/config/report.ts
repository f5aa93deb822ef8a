/** Takes what is wrong with a configuration. */
export type Report = (key: string, problem: string, remedy: string) => void
