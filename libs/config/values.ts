import { parseDuration } from './durations';
import { FLAGS } from './flag-table';
import { type FlagValues, parseBool } from './flag-values';

/** Flags by name, with their defaults. */
export class Values {
  private readonly byName = new Map(FLAGS.map((flag) => [flag.name, flag]));
  constructor(private readonly values: FlagValues) {}

  text(name: string): string {
    return this.values.given.get(name) ?? this.byName.get(name)?.initial ?? '';
  }
  has(name: string): boolean {
    return this.values.given.has(name);
  }
  bool(name: string): boolean {
    return parseBool(this.text(name)) ?? false;
  }
  int(name: string): number {
    return Number(this.text(name));
  }
  ms(name: string): number {
    return parseDuration(this.text(name)) ?? 0;
  }
}
