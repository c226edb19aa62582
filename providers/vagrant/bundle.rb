# frozen_string_literal: true

require "rubygems/package"
require "shellwords"
require_relative "lab"

module Lab
  # For a machine that runs Ansible: the project as a tar file, and the script that unpacks it and runs Ansible.
  class Bundle
    FOLDER = "revezamento" # in the home directory of the login user
    ARCHIVE = "/tmp/revezamento.tar"
    LEFT_OUT = %w[.git .vagrant .venv .lab .mypy_cache .ruff_cache .pytest_cache .ansible __pycache__].freeze
    SETTINGS = ".lab/settings"
    KEYS = %w[.lab/ssh/id_ed25519 .lab/ssh/id_ed25519.pub].freeze

    def initialize(root: ROOT, settings: Lab.settings)
      @root, @settings = root, settings
    end

    # Writes the tar file: the project, and the lab's settings, which `make` on that machine uses.
    def write(file)
      Gem::Package::TarWriter.new(file) do |tar|
        paths.each { |path| add(tar, path, File.binread(File.join(@root, path))) }
        add(tar, SETTINGS, @settings.text("LAB_INVENTORY" => inventory))
      end
    end

    # The script for the login user's shell. The machine's own .lab and .venv stay from one run to the next.
    # Vagrant sends it to `bash -l` through stdin, so the last command must not read that, and `set -e` stays in
    # a subshell: otherwise Debian's .bash_logout, which fails without a terminal, would decide the exit status.
    def script(names, addresses)
      <<~SHELL
        (
        set -eu
        mkdir -p #{FOLDER}
        find #{FOLDER} -mindepth 1 -maxdepth 1 ! -name .lab ! -name .venv -exec rm -rf {} +
        tar --extract --directory=#{FOLDER} --file=#{ARCHIVE}
        rm #{ARCHIVE}
        cd #{FOLDER}
        #{Shellwords.join(command(names, addresses))} </dev/null
        )
      SHELL
    end

    private

    def add(tar, path, content)
      tar.add_file_simple(path, mode(path, content), content.bytesize) { |entry| entry.write(content) }
    end

    # The project's files; from .lab only the key, because the machine generates its own secrets.
    def paths
      found = (Dir.children(@root) - LEFT_OUT).sort.flat_map { |top| files(top) }
      [*found, *KEYS].select { |path| File.file?(File.join(@root, path)) }
    end

    # The files at and below a path. Links to folders are followed: inventories share their variables by them.
    def files(path)
      full = File.join(@root, path)
      return [path] unless File.directory?(full)
      return [] if File.basename(path) == "__pycache__" || endless?(full)

      Dir.children(full).sort.flat_map { |name| files(File.join(path, name)) }
    end

    # Whether a folder is a link to one that it stands in.
    def endless?(folder)
      "#{File.realpath(File.dirname(folder))}/".start_with?("#{File.realpath(folder)}/")
    end

    # Windows has no executable bit: a file that begins with `#!` gets one.
    def mode(path, content)
      return 0o600 if KEYS.include?(path)

      content.start_with?("#!") ? 0o755 : 0o644
    end

    def command(names, addresses)
      environment = @settings.for_ansible.merge("LAB_INVENTORY" => inventory).compact
      ["env", *environment.map { |pair| pair.join("=") }, "sh", "providers/vagrant/with-provider-resolver",
       "sh", "providers/vagrant/provision", names.join(","), *addresses]
    end

    # Relative to the project, so that it is valid on the machine too.
    def inventory
      path = File.expand_path(@settings["LAB_INVENTORY"], @root)
      return path.delete_prefix("#{@root}/") if path.start_with?("#{@root}/")

      raise Problem, "LAB_INVENTORY=#{path} is outside the project, so the machine that runs Ansible lacks it.\n" \
                     "Remedy: put it into #{File.join(@root, 'inventory')}."
    end
  end
end
