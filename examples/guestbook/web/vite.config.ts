import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The page calls /api on its own origin. In a deployment that is the element "api", whose Service is
// called app; on your own machine it is whatever API_ORIGIN says.
const api = process.env.API_ORIGIN ?? 'http://app.api:3000'

export default defineConfig({
  plugins: [react()],
  server: { proxy: { '/api': api } },
})
