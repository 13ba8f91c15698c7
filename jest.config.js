const transform = {
  '^.+\\.ts$': [
    '@swc/jest',
    { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
  ],
};
// jose is published as ES modules only; jest runs CommonJS.
const base = {
  transform: { ...transform, '^.+/node_modules/jose/.+\\.js$': transform['^.+\\.ts$'] },
  transformIgnorePatterns: ['/node_modules/(?!jose/)'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/'],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  testEnvironment: 'node',
};
module.exports = {
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/{libs,services,tools,proto,tests/bench}/**/*.test.ts'] },
    { ...base, displayName: 'architecture', testMatch: ['<rootDir>/tests/architecture/**/*.test.ts'] },
    { ...base, displayName: 'simulation', testMatch: ['<rootDir>/tests/simulation/**/*.test.ts'] },
    { ...base, displayName: 'system', testMatch: ['<rootDir>/tests/system/**/*.test.ts'] },
    { ...base, displayName: 'linearizability', testMatch: ['<rootDir>/tests/linearizability/**/*.test.ts'] },
    { ...base, displayName: 'faults', testMatch: ['<rootDir>/tests/faults/*.test.ts'] },
    { ...base, displayName: 'compose', testMatch: ['<rootDir>/tests/compose/*.test.ts'] },
    { ...base, displayName: 'compose-nightly', testMatch: ['<rootDir>/tests/compose/nightly/*.test.ts'] },
  ],
};
