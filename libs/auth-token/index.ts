export { createJwtSigner, type JwtSigner, type JwtSpec, type TokenClaims } from './jwt';
export { AuthTokenError, type AuthTokenSpec, parseAuthToken, SIGN_METHODS, type SignMethod } from './spec';
export { createJwtVerifier, type JwtClaims, type JwtVerifier } from './verifier';
