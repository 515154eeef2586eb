// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A batch is a file of JSON lines with one request in each line. The members have the names of
// options. The command finds the mistakes in all lines before it submits the first line.
//
// A storyboard (storyboard.h) is such a file, too. Its lines have a few more members.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/result.h"
#include "veo/source/source.h"
#include "veo/system/patience.h"

namespace veo::cli {

struct BatchRequest {
  std::size_t line = 0;  ///< number of the line in the file, from 1
  Options settings;
  /// The name of the request in the ledger and the manifest: the intent's id, or `task/ID`.
  std::string id;
  std::set<std::string> members = {};  ///< the names of the options that the line sets
  std::set<std::string> flags = {};    ///< the flags of the line's form that the line sets
};

/// What the lines of a kind of file may have besides the members of a batch.
struct LineForm {
  std::span<const std::string_view> flags = {};  ///< more members, each of them true or false
  /// Says which command takes a file with a member that is unknown here; an empty text: none.
  std::function<std::string(const std::string& member)> suggest_command = {};
  /// Checks a line, and finishes its settings. `before` is the number of the line that has the
  /// request before; nullopt: this request is the first one. Returns what is wrong, or an empty
  /// text.
  std::function<std::string(BatchRequest&, std::optional<std::size_t> before)> finish = {};
};

/// The lines of a batch file.
struct BatchFile {
  std::vector<BatchRequest> requests;
  std::map<std::size_t, std::string> mistakes;  ///< what is wrong, by the number of the line
};

/// Reads the lines of the file or pipe at `path`; waits for a pipe with this patience. `common`
/// supplies the options that a line does not name. Equal lines are takes of one request: each gets
/// the next take, from 1, that no line names. So the file may be sorted in another way. Fails with
/// invalid_request (the API's URL), or with cache (the file cannot be read).
Result<BatchFile> read_batch(const std::string& path, const Options& common,
                             const Patience& patience, const LineForm& form = {});

/// Makes the name of a request: see BatchRequest::id. `api_url` is the result of resolve_api_url().
std::string make_request_name(const Options& settings, const std::string& api_url);

/// Returns `PATH:LINE: WHAT`, the form of a compiler's messages.
std::string at_line(const std::string& path, std::size_t line, const std::string& what);

/// Returns the error of a batch with these mistakes, of which there is at least one. The message
/// contains the first 20 of them.
Error mistakes_in(const std::string& path, const std::map<std::size_t, std::string>& mistakes);

}  // namespace veo::cli
