# frozen_string_literal: true

require "rbconfig"
require_relative "problem"

module Lab
  # A Vagrant box: its name, and the version to use (nil: any).
  Box = Struct.new(:name, :version, :architecture) do
    # Sets it in a machine's `config.vm`. Vagrant has `box_architecture` since 2.4.
    def apply(config)
      config.vm.box = name
      config.vm.box_version = version if version
      config.vm.box_architecture = architecture if config.vm.respond_to?(:box_architecture=)
    end
  end

  # The box for each Debian release, provider and architecture.
  module Boxes
    BENTO = %w[virtualbox vmware_desktop parallels].product(%w[amd64 arm64]).freeze
    TABLE = {
      "trixie" => {
        **BENTO.to_h { |provider| [provider, ["bento/debian-13", "202510.26.0"]] },
        %w[libvirt amd64] => ["debian/trixie64", "13.20260519.1"],
        %w[libvirt arm64] => ["cloud-image/debian-13", "20260819.2575.0"]
      },
      "bookworm" => {
        **BENTO.to_h { |provider| [provider, ["bento/debian-12", "202510.26.0"]] },
        %w[libvirt amd64] => ["debian/bookworm64", "12.20250126.1"],
        %w[libvirt arm64] => ["cloud-image/debian-12", "20250703.2162.0"]
      }
    }.freeze

    # release: Debian's code name. own: the name of another box (LAB_BOX), or nil. Raises Problem if there is none.
    def self.choose(release, provider, architecture, own: nil)
      boxes = TABLE.fetch(release) do
        known = TABLE.keys.map { |name| "LAB_RELEASE=#{name}" }.join(" or ")
        raise Problem, "LAB_RELEASE=#{release} is not supported. Remedy: #{known}."
      end
      return Box.new(own, nil, architecture) if own

      name, version = boxes.fetch([provider, architecture]) do
        raise Problem, "There is no box for #{provider} on #{architecture}. Remedy: LAB_BOX=the name of your own box."
      end
      Box.new(name, version, architecture)
    end

    # This computer's architecture, in the names that boxes use.
    def self.architecture(cpu = RbConfig::CONFIG["host_cpu"])
      /arm64|aarch64/i.match?(cpu) ? "arm64" : "amd64"
    end
  end
end
