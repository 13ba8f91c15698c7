import { fake } from './testing/fake';
export const x = fake;
