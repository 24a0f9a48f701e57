export const IMAGE: string
export function makeImage(docker?: string): Promise<string>
