-- The last line of `make test` can be believed only if nothing that goes wrong
-- is left out of it.
local scratch = require "spec.house.scratch"

local jit = rawget(_G, "jit")
local abi = jit and "jit" or _VERSION:match("%d+%.%d+")

local good = 'it("holds", function() assert.equal(1, 1) end) '
local pended = 'pending("waits") '
local bad = 'it("breaks", function() assert.equal(1, 2) end) '
local raises = 'it("raises", function() error("planted") end) '
local crashes = 'it("crashes", function() os.execute("kill -SEGV $PPID") end) '
local leaves = 'it("leaves", function() os.exit(0) end) '
local hangs = 'it("hangs", function() os.execute("sleep 60") end) '

-- what happens, spec file, last line, exit status, what else is said
local cases = {
  { "success", good .. good .. pended, "2 passed, 0 failed", 0, "1 pending" },
  { "a failure", good .. bad, "1 passed, 1 failed", 1, "FAILED: breaks" },
  { "an error", good .. raises, "1 passed, 1 failed", 1, "planted" },
  { "a file that does not load", "it(", "0 passed, 1 failed", 1, "planted_spec.lua" },
  { "an error outside of a spec", good .. 'describe("x", function() error("planted") end)',
    "1 passed, 1 failed", 1, "planted" },
  { "a crash", good .. crashes .. good, "1 passed, 1 failed", 1, "stopped early (status 139) in: crashes" },
  { "an interpreter that just leaves", good .. leaves .. good, "1 passed, 1 failed", 1,
    "stopped early (status 0) in: leaves" },
  { "a spec that hangs", good .. hangs, "1 passed, 1 failed", 1, "stopped early (status 124) in: hangs" },
  { "no spec in the file", "local nothing = 1", "0 passed, 1 failed", 1, "ran no spec" },
  { "only pending specs", pended, "0 passed, 1 failed", 1, "ran no spec" },
}

describe("The count at the end of make test", function()
  for _, case in ipairs(cases) do
    local what, text, last, expected, said = case[1], case[2], case[3], case[4], case[5]

    it("tells of " .. what, function()
      local folder = scratch.run("mktemp -d"):gsub("\n", "")
      finally(function() scratch.remove(folder) end)
      scratch.write(folder .. "/planted_spec.lua", text .. "\n")

      local output, status = scratch.run(("LUAS=%s SPEC_SECONDS=%d sh spec/support/run_specs.sh %s")
        :format(abi, what:find("hangs") and 2 or 60, folder))
      assert.equal(last, output:match("([^\n]*)\n$"), output)
      assert.equal(expected, status, output)
      assert.truthy(output:find(said, 1, true), output)
    end)
  end

  it("adds up all interpreters", function()
    local folder = scratch.run("mktemp -d"):gsub("\n", "")
    finally(function() scratch.remove(folder) end)
    scratch.write(folder .. "/planted_spec.lua", good .. bad .. "\n")
    local output = scratch.run(("LUAS='%s %s' sh spec/support/run_specs.sh %s"):format(abi, abi, folder))
    assert.truthy(output:find("\n2 passed, 2 failed\n$"), output)
  end)

  it("tells of a folder without specs", function()
    local folder = scratch.run("mktemp -d"):gsub("\n", "")
    finally(function() scratch.remove(folder) end)
    local output, status = scratch.run(("LUAS=%s sh spec/support/run_specs.sh %s"):format(abi, folder))
    assert.equal(1, status)
    assert.truthy(output:find("\n0 passed, 1 failed\n$"), output)
  end)
end)
