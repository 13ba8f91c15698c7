/** What a checker throws: the property that does not hold, then how it was seen. */
export class Violation extends Error {
  override readonly name = 'Violation';

  constructor(
    readonly property: string,
    text: string,
  ) {
    super(`${property}: ${text}`);
  }
}
