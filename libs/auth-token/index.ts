export { createJwtSigner, type JwtSigner, type JwtSpec, type TokenClaims, verifyJwt } from './jwt';
export { AuthTokenError, type AuthTokenSpec, parseAuthToken, SIGN_METHODS, type SignMethod } from './spec';
