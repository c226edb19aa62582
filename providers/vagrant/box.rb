# frozen_string_literal: true

require "json"
require "rbconfig"
require "uri"
require_relative "problem"

module Lab
  # The machines' Vagrant box. By default it is the project's own, which is built on this computer. LAB_BOX_URL is the
  # catalogue (metadata.json) of one that was built elsewhere; LAB_BOX is the name of any other box.
  class Box
    PROVIDERS = %w[libvirt virtualbox].freeze
    RELEASES = %w[trixie bookworm].freeze
    CATALOGUE = "metadata.json"

    attr_reader :name, :url

    # release: Debian's code name. root: the project's folder. other: LAB_BOX. url: LAB_BOX_URL. Both may be nil.
    # Raises Problem.
    def initialize(release, root:, other: nil, url: nil)
      unless RELEASES.include?(release)
        known = RELEASES.map { |name| "LAB_RELEASE=#{name}" }.join(" or ")
        raise Problem, "LAB_RELEASE=#{release} is not supported. Remedy: #{known}."
      end
      @name = other || "revezamento/#{release}"
      @own = !(other || url)
      @root = root
      @url = @own ? File.join(root, ".lab", "box", release, CATALOGUE) : url && catalogue(url)
    end

    # Whether this computer builds it.
    def own?
      @own
    end

    # Builds it, unless it is up to date. Returns its version, or raises Problem.
    def build(provider)
      unless PROVIDERS.include?(provider)
        raise Problem, "There is no box for #{provider}. Remedy: --provider=#{PROVIDERS.join(' or --provider=')}, or " \
                       "LAB_BOX=the name of a box that you have."
      end
      refuse_unable_computer
      program = File.join(@root, "providers", "vagrant", "box", "build")
      built = Vagrant::Util::Env.with_original_env { system("sh", program, provider) }
      raise Problem, "There is no box, so no machine was started. The output above says why." unless built

      JSON.parse(File.read(@url)).dig("versions", 0, "version")
    end

    # The URL of a file that a catalogue names: it may be relative to the catalogue's own, so that the folder can move.
    def resolve(reference)
      return reference if url.nil? || reference.match?(%r{\A([a-z][a-z0-9+.-]+:|/)}i)

      web?(url) ? URI.join(url, reference).to_s : File.expand_path(reference, File.dirname(url))
    end

    # This computer's architecture, in the names that boxes use.
    def self.architecture(cpu = RbConfig::CONFIG["host_cpu"])
      /arm64|aarch64/i.match?(cpu) ? "arm64" : "amd64"
    end

    private

    def web?(url)
      url.match?(%r{\A[a-z][a-z0-9+.-]+://}i)
    end

    # A folder has its catalogue under Vagrant's usual name.
    def catalogue(url)
      return url if web?(url)

      path = File.expand_path(url)
      path = File.join(path, CATALOGUE) if File.directory?(path)
      return path if File.file?(path)

      raise Problem, "LAB_BOX_URL=#{url}: there is no such file. Remedy: the URL or path of a metadata.json that " \
                     "`make box` wrote, or of its folder."
    end

    def refuse_unable_computer
      return if RbConfig::CONFIG["host_os"].include?("linux") && Box.architecture == "amd64" && File.exist?("/usr/bin/dpkg")

      raise Problem, <<~TEXT.chomp
        The box cannot be built on this computer: that needs Debian or Ubuntu, on amd64.
        Remedy: build it on one that can, with `make box`, and copy the folder .lab/box/trixie here or to a web server:
        LAB_BOX_URL=that-folder/metadata.json vagrant up
        Or take a box that you have, or one of Vagrant's registry: LAB_BOX=bento/debian-13 vagrant up
      TEXT
    end
  end
end
