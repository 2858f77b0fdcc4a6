-- Loaded by busted before any spec: lets `require` find the sources of this
-- tree and the C module that was built for the running interpreter. Started
-- from the top folder; BUILD names another build folder (build/asan, …).
local jit = rawget(_G, "jit")
local abi = jit and "jit" or _VERSION:match("%d+%.%d+")
local build = os.getenv("BUILD") or "build"

package.path = "lua/?.lua;lua/?/init.lua;./?.lua;" .. package.path
package.cpath = build .. "/" .. abi .. "/?.so;" .. package.cpath
